"""Media types of files by their extension, and back: our own table, the same on every machine.

Two components that cannot import each other have a copy of this file; a test keeps the copies equal.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

UNKNOWN_TYPE: Final = "application/octet-stream"

# A type and its extensions, the most common one first.
_TYPES: Final = """
application/dicom .dcm
application/epub+zip .epub
application/geo+json .geojson
application/gzip .gz .tgz
application/java-archive .jar
application/json .json
application/jsonl .jsonl
application/ld+json .jsonld
application/manifest+json .webmanifest
application/msword .doc .dot .wiz
application/n-quads .nq
application/n-triples .nt
application/octet-stream .bin .a .dll .exe .o .so
application/oda .oda
application/ogg .ogx
application/pdf .pdf
application/pkcs7-mime .p7c
application/postscript .ps .eps .ai
application/rtf .rtf
application/toml .toml
application/trig .trig
application/vnd.amazon.ebook .azw
application/vnd.apache.arrow.file .arrow
application/vnd.apache.parquet .parquet
application/vnd.apple.installer+xml .mpkg
application/vnd.apple.mpegurl .m3u .m3u8
application/vnd.ms-excel .xls .xlb
application/vnd.ms-fontobject .eot
application/vnd.ms-powerpoint .ppt .pot .ppa .pps .pwz
application/vnd.oasis.opendocument.presentation .odp
application/vnd.oasis.opendocument.spreadsheet .ods
application/vnd.oasis.opendocument.text .odt
application/vnd.openxmlformats-officedocument.presentationml.presentation .pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet .xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document .docx
application/vnd.rar .rar
application/vnd.visio .vsd
application/wasm .wasm
application/x-7z-compressed .7z
application/x-abiword .abw
application/x-bcpio .bcpio
application/x-bzip .bz
application/x-bzip2 .bz2
application/x-cdf .cda
application/x-cpio .cpio
application/x-csh .csh
application/x-dvi .dvi
application/x-freearc .arc
application/x-gguf .gguf
application/x-gtar .gtar
application/x-hdf .hdf
application/x-hdf5 .h5 .hdf5
application/x-httpd-php .php
application/x-latex .latex
application/x-mif .mif
application/x-ndjson .ndjson
application/x-netcdf .cdf .nc
application/x-npy .npy
application/x-npz .npz
application/x-onnx .onnx
application/x-pickle .pkl .pickle
application/x-pkcs12 .p12 .pfx
application/x-pn-realaudio .ram
application/x-python-code .pyc .pyo
application/x-safetensors .safetensors
application/x-sh .sh
application/x-shar .shar
application/x-shockwave-flash .swf
application/x-subrip .srt
application/x-sv4cpio .sv4cpio
application/x-sv4crc .sv4crc
application/x-tar .tar
application/x-tcl .tcl
application/x-tex .tex
application/x-texinfo .texi .texinfo
application/x-troff .roff .t .tr
application/x-troff-man .man
application/x-troff-me .me
application/x-troff-ms .ms
application/x-ustar .ustar
application/x-wais-source .src
application/x-xz .xz
application/xhtml+xml .xhtml
application/xml .xml .rdf .wsdl .xpdl .xsl
application/yaml .yaml .yml
application/zip .zip
application/zstd .zst
audio/3gpp2 .3gpp2
audio/aac .aac .adts
audio/amr .amr
audio/basic .au .snd
audio/flac .flac
audio/midi .midi .mid
audio/mp4 .m4a
audio/mpeg .mp3 .mp2
audio/ogg .oga .ogg
audio/opus .opus
audio/wav .wav
audio/webm .weba
audio/x-aiff .aiff .aif .aifc
audio/x-matroska .mka
audio/x-ms-wma .wma
audio/x-pn-realaudio .ra
chemical/x-cif .cif
chemical/x-pdb .pdb
font/otf .otf
font/ttf .ttf
font/woff .woff
font/woff2 .woff2
image/avif .avif
image/bmp .bmp
image/gif .gif
image/heic .heic
image/heif .heif
image/ief .ief
image/jpeg .jpg .jpeg .jpe .jfif
image/jxl .jxl
image/png .png
image/svg+xml .svg
image/tiff .tiff .tif
image/vnd.adobe.photoshop .psd
image/vnd.microsoft.icon .ico
image/vnd.radiance .hdr
image/webp .webp
image/x-adobe-dng .dng
image/x-cmu-raster .ras
image/x-exr .exr
image/x-portable-anymap .pnm
image/x-portable-bitmap .pbm
image/x-portable-graymap .pgm
image/x-portable-pixmap .ppm
image/x-rgb .rgb
image/x-xbitmap .xbm
image/x-xpixmap .xpm
image/x-xwindowdump .xwd
message/rfc822 .eml .mht .mhtml .nws
model/3mf .3mf
model/gltf+json .gltf
model/gltf-binary .glb
model/mtl .mtl
model/obj .obj
model/ply .ply
model/stl .stl
model/vnd.usdz+zip .usdz
text/calendar .ics
text/css .css
text/csv .csv
text/html .html .htm
text/javascript .js .mjs
text/markdown .md .markdown
text/n3 .n3
text/plain .txt .log .bat .c .h .ksh .pl
text/richtext .rtx
text/tab-separated-values .tsv
text/vtt .vtt
text/x-python .py
text/x-rst .rst
text/x-setext .etx
text/x-sgml .sgm .sgml
text/x-ssa .ass .ssa
text/x-vcard .vcf
video/3gpp .3gp .3gpp
video/3gpp2 .3gp2 .3g2
video/mp2t .ts
video/mp4 .mp4
video/mpeg .mpeg .mpg .mpe .m1v .mpa
video/ogg .ogv
video/quicktime .mov .qt
video/webm .webm
video/x-flv .flv
video/x-m4v .m4v
video/x-matroska .mkv
video/x-ms-wmv .wmv
video/x-msvideo .avi
video/x-sgi-movie .movie
"""
# Other names of the types above.
_ALIASES: Final = """
application/csv .csv
application/gguf .gguf
application/javascript .js
application/jsonl+json .jsonl
application/jsonlines .jsonl
application/ply .ply
application/safetensors .safetensors
application/sla .stl
application/vnd.safetensors .safetensors
application/x-gzip .gz
application/x-jsonlines .jsonl
application/x-numpy .npy
application/x-parquet .parquet
application/x-ply .ply
application/x-rar-compressed .rar
application/x-yaml .yaml
application/x-zip-compressed .zip
audio/aiff .aiff
audio/m4a .m4a
audio/mp3 .mp3
audio/vnd.wave .wav
audio/wave .wav
audio/x-aac .aac
audio/x-flac .flac
audio/x-m4a .m4a
audio/x-wav .wav
image/jpg .jpg
image/pjpeg .jpg
image/x-icon .ico
image/x-ms-bmp .bmp
image/x-png .png
model/x-ply .ply
text/json .json
text/rtf .rtf
text/srt .srt
text/x-markdown .md
text/x-yaml .yaml
text/xml .xml
text/yaml .yaml
video/matroska .mkv
"""


def type_of(file_name: str | os.PathLike[str]) -> str:
    """Return the media type of a file; `application/octet-stream` if its extension is unknown."""
    extension = os.path.splitext(os.path.basename(os.fspath(file_name)))[1].lower()
    for media_type, extensions in _rows(_TYPES):
        if extension in extensions:
            return media_type
    return UNKNOWN_TYPE


def extension_of(media_type: str) -> str:
    """Return the extension for a media type, with its dot; empty if none is known."""
    bare = media_type.partition(";")[0].strip().lower()
    for table in (_TYPES, _ALIASES):
        for known, extensions in _rows(table):
            if known == bare:
                return extensions[0]
    return ""


def _rows(table: str) -> list[tuple[str, list[str]]]:
    rows = (line.split() for line in table.strip().splitlines())
    return [(media_type, extensions) for media_type, *extensions in rows]

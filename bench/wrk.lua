-- wrk script: posts predictions whose input differs from request to request, and checks every answer.
-- The model answers "hello <name>" to {"name": "<name>"}; each name may be answered once.
-- With an argument, predictions are created asynchronously, with that prefix in their ids.
-- Prints one JSON object when the run is over; see load.py.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } bench_timespec;
  int clock_gettime(int clock, bench_timespec *now);
]]
local CLOCK_MONOTONIC = 1
local clock = ffi.new("bench_timespec")

local threads = {}

-- wrk's own latencies include refused requests, which cannot be separated afterwards.
local function now_us()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, clock)
  return tonumber(clock.seconds) * 1e6 + tonumber(clock.nanoseconds) / 1e3
end

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  prefix = arguments[1]
  sent, refused, wrong = 0, 0, 0
  first_wrong = ""
  sent_at = {}
  latencies_us = {}
end

function request()
  sent = sent + 1
  sent_at[sent] = now_us()
  local headers = { ["Content-Type"] = "application/json" }
  local input = '"input":{"name":"n' .. sent .. '"}'
  if not prefix then return wrk.format("POST", nil, headers, "{" .. input .. "}") end
  headers["Prefer"] = "respond-async"
  return wrk.format("POST", nil, headers, '{"id":"' .. prefix .. "-" .. sent .. '",' .. input .. "}")
end

function response(status, _, body)
  if status ~= (prefix and 202 or 200) then
    refused = refused + 1
    return
  end
  local number = tonumber(body:match(prefix and '"id":"[^"]*-(%d+)"' or '"output":"hello n(%d+)"'))
  local expected = prefix and '"status":"starting"' or '"status":"succeeded"'
  if number and sent_at[number] and body:find(expected, 1, true) then
    table.insert(latencies_us, now_us() - sent_at[number])
    sent_at[number] = nil
  else
    if wrong == 0 then first_wrong = body:sub(1, 200) end
    wrong = wrong + 1
  end
end

local function percentile(sorted, share)
  return sorted[math.max(1, math.ceil(#sorted * share))] or 0
end

function done(summary)
  local refused, wrong, example, latencies = 0, 0, "", {}
  for _, thread in ipairs(threads) do
    refused = refused + thread:get("refused")
    wrong = wrong + thread:get("wrong")
    if example == "" then example = thread:get("first_wrong") end
    for _, latency in ipairs(thread:get("latencies_us")) do table.insert(latencies, latency) end
  end
  table.sort(latencies)
  local lost = summary.errors
  print(string.format(
    '{"succeeded":%d,"refused":%d,"wrong":%d,"lost":%d,"duration_us":%d,"p50_us":%.1f,"p99_us":%.1f}',
    #latencies, refused, wrong, lost.connect + lost.read + lost.write + lost.timeout,
    summary.duration, percentile(latencies, 0.50), percentile(latencies, 0.99)))
  print(example)
end

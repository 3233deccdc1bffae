-- wrk script: posts predictions whose input differs from request to request, and checks every answer.
-- The model answers "hello <name>" to {"name": "<name>"}; each name may be answered once.
-- Prints one JSON object when the run is over; see wrk.py.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  sent, succeeded, refused, wrong = 0, 0, 0, 0
  first_wrong = ""
  pending = {}
end

function request()
  sent = sent + 1
  pending[sent] = true
  local body = '{"input":{"name":"n' .. sent .. '"}}'
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, body)
end

function response(status, _, body)
  if status ~= 200 then
    refused = refused + 1
    return
  end
  local number = tonumber(body:match('"output":"hello n(%d+)"'))
  if number and pending[number] and body:find('"status":"succeeded"', 1, true) then
    pending[number] = nil
    succeeded = succeeded + 1
  else
    if wrong == 0 then first_wrong = body:sub(1, 200) end
    wrong = wrong + 1
  end
end

function done(summary, latency, _)
  local count = { succeeded = 0, refused = 0, wrong = 0 }
  local example = ""
  for _, thread in ipairs(threads) do
    for key in pairs(count) do count[key] = count[key] + thread:get(key) end
    if example == "" then example = thread:get("first_wrong") end
  end
  local lost = summary.errors
  print(string.format(
    '{"succeeded":%d,"refused":%d,"wrong":%d,"lost":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d}',
    count.succeeded, count.refused, count.wrong, lost.connect + lost.read + lost.write + lost.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
  print(example)
end

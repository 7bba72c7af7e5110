-- wrk's part: calls made before the clock starts, each with an id of its own; one line of JSON at the end.
-- Arguments after --: PATH BODY FIRST_ID LOOK HEADER..., where BODY holds %09d for the id and HEADER is "Name: value".
-- With LOOK "1" every answer is looked at: some gateways refuse with status 200. That costs wrk time, so only for slow ones.
local requests, next_request = {}, 0
local COUNT = 4096
local threads = {}
wrong = 0

function setup(thread)
    threads[#threads + 1] = thread
end

function init(args)
    local path, body, first, look = args[1], args[2], tonumber(args[3]), args[4]
    local headers = {}
    for i = 5, #args do
        local name, value = args[i]:match("^([^:]+): (.*)$")
        headers[name] = value
    end
    for i = 1, COUNT do
        requests[i] = wrk.format("POST", path, headers, string.format(body, first + i))
    end
    if look == "1" then
        response = function(status, _, answer)
            if status == 200 and not answer:find("xxxxxxxx", 1, true) then
                wrong = wrong + 1
            end
        end
    end
end

function request()
    next_request = next_request % COUNT + 1
    return requests[next_request]
end

function done(summary, latency)
    local e, looked_wrong = summary.errors, 0
    for _, thread in ipairs(threads) do
        looked_wrong = looked_wrong + thread:get("wrong")
    end
    io.write(string.format(
        '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout + looked_wrong))
end

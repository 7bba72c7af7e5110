-- wrk's part: the calls, made before the clock starts, each with an id of its own; and one line of JSON at the end.
-- Arguments after --: PATH TOKEN BODY, where BODY holds %09d for the id.
local requests, next_request = {}, 0
local COUNT = 4096

function init(args)
    local path, token, body = args[1], args[2], args[3]
    local headers = {
        ["Content-Type"] = "application/json",
        ["Accept"] = "application/json, text/event-stream",
        ["MCP-Protocol-Version"] = "2025-06-18",
        ["Authorization"] = "Bearer " .. token,
    }
    -- Ids repeat only after 4096 calls of one slice; every call has the same length.
    local first = math.random(100000000, 900000000)
    for i = 1, COUNT do
        requests[i] = wrk.format("POST", path, headers, string.format(body, first + i))
    end
end

function request()
    next_request = next_request % COUNT + 1
    return requests[next_request]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end

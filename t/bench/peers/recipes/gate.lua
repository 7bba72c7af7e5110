-- Bearer JWT (RS256) and an allow-list of MCP tools. A token that was verified once is known until it expires.
local cjson = require "cjson.safe"
local pkey = require "openssl.pkey"
local digest = require "openssl.digest"

local ISSUER, AUDIENCE = "@issuer@", "@audience@"
local METHODS = { ["tools/list"] = true, ping = true, initialize = true, ["notifications/initialized"] = true }
local TOOLS = { ["ticket.read"] = true, ["ticket.list"] = true }

local file = assert(io.open("@public_key@"))
local public_key = pkey.new(file:read("*a"))
file:close()

local function from_base64url(text)
    text = text:gsub("-", "+"):gsub("_", "/")
    return ngx.decode_base64(text .. string.rep("=", -#text % 4))
end

local function claims_of(token)
    local signed, head, payload, signature = token:match("^(([^.]+)%.([^.]+))%.([^.]+)$")
    if not signed then return nil end
    head, payload, signature = from_base64url(head), from_base64url(payload), from_base64url(signature)
    head, payload = head and cjson.decode(head), payload and cjson.decode(payload)
    if type(head) ~= "table" or type(payload) ~= "table" or not signature or head.alg ~= "RS256" then return nil end
    local hash = digest.new("sha256")
    hash:update(signed)
    local done, good = pcall(public_key.verify, public_key, signature, hash)
    return done and good and payload or nil
end

local function is_good(token)
    local verified = ngx.shared.verified_tokens
    if verified:get(token) then return true end
    local claims, now = claims_of(token), ngx.time()
    if not claims or claims.iss ~= ISSUER or claims.aud ~= AUDIENCE then return false end
    if type(claims.exp) ~= "number" or claims.exp <= now then return false end
    if claims.nbf and (type(claims.nbf) ~= "number" or claims.nbf > now) then return false end
    verified:set(token, true, claims.exp - now)
    return true
end

local gate = {}

function gate.judge()
    local token = (ngx.var.http_authorization or ""):match("^[Bb]earer ([%w%-_.]+)$")
    if not token or not is_good(token) then return ngx.exit(401) end

    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    local message = body and cjson.decode(body)
    if type(message) ~= "table" then return ngx.exit(400) end
    if message.method == "tools/call" then
        if type(message.params) ~= "table" or not TOOLS[message.params.name or ""] then return ngx.exit(403) end
    elseif not METHODS[message.method or ""] then
        return ngx.exit(403)
    end
end

return gate

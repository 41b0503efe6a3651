-- The check in Lua: HMAC from libcrypto over FFI, JSON from lua-cjson.

local ffi = require "ffi"
local cjson = require "cjson.safe"

ffi.cdef [[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len,
    const unsigned char *data, size_t len, unsigned char *out,
    unsigned int *out_len);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]

local C = ffi.C
local sha256 = C.EVP_sha256()
local digest = ffi.new("unsigned char[32]")
local length = ffi.new("unsigned int[1]")
local secret

local _M = {}

local function read_file(name)
    local file = io.open(name, "rb")
    if not file then
        return nil
    end
    local text = file:read("*a")
    file:close()
    return text
end

function _M.init(file)
    secret = assert(read_file(file))
end

local function body_data()
    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    if not body then
        local name = ngx.req.get_body_file()
        body = name and read_file(name)
    end
    return body
end

function _M.access()
    local sent = ngx.decode_base64(ngx.var.http_x_webhook_signature or "")
    if not sent or #sent ~= 32 then
        return ngx.exit(401)
    end

    local body = body_data()
    if not body then
        return ngx.exit(401)
    end

    C.HMAC(sha256, secret, #secret, body, #body, digest, length)
    if C.CRYPTO_memcmp(digest, sent, 32) ~= 0 then
        return ngx.exit(401)
    end

    local event = cjson.decode(body)
    if type(event) ~= "table" or type(event.EventType) ~= "string"
        or not event.EntityId
    then
        return ngx.exit(400)
    end

    local is_note = event.EventType:sub(1, 11) == "Ticket note"
    ngx.var.pool = is_note and "notes" or "tickets"
end

return _M

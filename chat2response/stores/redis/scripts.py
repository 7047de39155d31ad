"""Lua scripts: Redis's atomic operations (6.2 or newer), of one key each, so that a cluster can run them.

Times come from Redis's own clock, in milliseconds. A change is published by the script that makes it. A user
without the permission to publish can still write; others then see the change a little later.
"""

# KEYS[1]; ARGV: the text, its ttl or "", the channel and the message that announce it, then the expected
# state: "any", "none", or "same" and the text.
PUT = """
if ARGV[5] == 'none' and redis.call('EXISTS', KEYS[1]) == 1 then
    return 0
end
if ARGV[5] == 'same' and redis.call('GET', KEYS[1]) ~= ARGV[6] then
    return 0
end
if ARGV[2] == '' then
    redis.call('SET', KEYS[1], ARGV[1])
else
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
redis.pcall('PUBLISH', ARGV[3], ARGV[4])
return 1
"""

# KEYS[1]; ARGV: channel, message.
DELETE = """
local deleted = redis.call('DEL', KEYS[1])
if deleted == 1 then
    redis.pcall('PUBLISH', ARGV[1], ARGV[2])
end
return deleted
"""

# KEYS[1]: a counter. ARGV: n, the ceiling or "", the ttl of a new counter or "".
ADD = """
local current = redis.call('GET', KEYS[1])
local n, ceiling = tonumber(ARGV[1]), tonumber(ARGV[2])
if ceiling and n > 0 and tonumber(current or 0) + n > ceiling then
    return false
end
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
if not current and ARGV[3] ~= '' then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return value
"""

# KEYS[1]: a ledger, which is a hash: `settled`; `live`, the sum of the leases; `next`, when the next lease
# expires and the sum must be computed again; `window`, if it has one; for each lease, by its id, `<n>:<end>`;
# and `tombstones` of leases that must be refused, the oldest first, each `<id>=<end>;`.
# ARGV: id, n, ceiling or "", ttl of the lease, window or "", how long an expired lease can be settled.
# Returns: granted, used, milliseconds until the window ends or -1.
LEASE = """
local key, id, n, ceiling = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local ttl, grace = tonumber(ARGV[4]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local values = redis.call('HMGET', key, id, 'settled', 'live', 'next', 'window', 'tombstones')
local lease, settled, windowed = values[1], tonumber(values[2] or 0), values[5]
local live, next_, tombstones = tonumber(values[3] or 0), tonumber(values[4] or 0), values[6]
local changed = false

if next_ > 0 and next_ <= now then
    live, next_, changed = 0, 0, true
    local fields = redis.call('HGETALL', key)
    for i = 1, #fields, 2 do
        local reserved, fin = string.match(fields[i + 1], '^(%d+):(%d+)$')
        if reserved then
            reserved, fin = tonumber(reserved), tonumber(fin)
            if fin + grace <= now then
                redis.call('HDEL', key, fields[i])
                fin = nil
            elseif fin <= now then
                redis.call('HSET', key, fields[i], string.format('0:%.0f', fin))
                fin = fin + grace
            else
                live = live + reserved
            end
            if fin and (next_ == 0 or fin < next_) then
                next_ = fin
            end
        end
    end
end

local granted = lease and tonumber(string.match(lease, ':(%d+)$')) > now
local refused = false
if tombstones then
    tombstones = ';' .. tombstones
    local _, at = string.find(tombstones, ';' .. id .. '=', 1, true)
    refused = at and tonumber(string.match(tombstones, '^%d+', at + 1)) > now
end
if not granted and not refused and (not ceiling or settled + live + n <= ceiling) then
    granted, changed = true, true
    if ARGV[5] ~= '' and not windowed and settled + live == 0 then
        windowed = ARGV[5]
        redis.call('HSET', key, 'window', ARGV[5])
        redis.call('PEXPIRE', key, ARGV[5])
    end
    local fin = now + ttl
    live = live + n
    if next_ == 0 or fin < next_ then
        next_ = fin
    end
    redis.call('HSET', key, id, string.format('%.0f:%.0f', n, fin))
    if not windowed and settled == 0 and redis.call('PTTL', key) < ttl + grace then
        redis.call('PEXPIRE', key, ttl + grace)
    end
end
if changed and redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'live', string.format('%.0f', live), 'next', string.format('%.0f', next_))
end
return {granted and 1 or 0, settled + live, windowed and redis.call('PTTL', key) or -1}
"""

# KEYS[1]: a ledger. ARGV: the lease's id, n, its ttl, how long an expired lease can be settled.
RENEW = """
local key, ttl, grace = KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local values = redis.call('HMGET', key, ARGV[1], 'settled', 'live', 'next', 'window')
if not values[1] then
    return 0
end
local time = redis.call('TIME')
local fin = time[1] * 1000 + math.floor(time[2] / 1000) + ttl
local live = tonumber(values[3] or 0) - tonumber(string.match(values[1], '^(%d+):')) + tonumber(ARGV[2])
local next_ = tonumber(values[4] or 0)
if next_ == 0 or fin < next_ then
    next_ = fin
end
redis.call('HSET', key, ARGV[1], string.format('%.0f:%.0f', ARGV[2], fin),
    'live', string.format('%.0f', live), 'next', string.format('%.0f', next_))
if not values[5] and tonumber(values[2] or 0) == 0 and redis.call('PTTL', key) < ttl + grace then
    redis.call('PEXPIRE', key, ttl + grace)
end
return 1
"""

# KEYS[1]: a ledger. ARGV: the lease's id, the amount used, the ttl of a tombstone, the maximum of tombstones.
SETTLE = """
local key, id = KEYS[1], ARGV[1]
local lease = redis.call('HGET', key, id)
if lease then
    redis.call('HDEL', key, id)
    local n = string.match(lease, '^(%d+):')
    if n ~= '0' then
        redis.call('HINCRBY', key, 'live', '-' .. n)
    end
    if ARGV[2] ~= '0' then
        redis.call('HINCRBY', key, 'settled', ARGV[2])
        if redis.call('HEXISTS', key, 'window') == 0 then
            redis.call('PERSIST', key)
        end
    end
    return 1
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local valid = {}
for name, fin in string.gmatch(redis.call('HGET', key, 'tombstones') or '', '([^=;]+)=(%d+);') do
    if tonumber(fin) > now then
        if name == id then
            return 0
        end
        valid[#valid + 1] = name .. '=' .. fin .. ';'
    end
end
valid[#valid + 1] = string.format('%s=%.0f;', id, now + ARGV[3])
local first = math.max(1, #valid - ARGV[4] + 1)
local new = redis.call('EXISTS', key) == 0
redis.call('HSET', key, 'tombstones', table.concat(valid, '', first))
local left = redis.call('PTTL', key)
if new or (left >= 0 and left < tonumber(ARGV[3]) and redis.call('HEXISTS', key, 'window') == 0) then
    redis.call('PEXPIRE', key, ARGV[3])
end
return 0
"""

# KEYS[1]: a list. ARGV: the log's ttl or "", then one or more documents.
APPEND = """
local length
for i = 2, #ARGV do
    length = redis.call('RPUSH', KEYS[1], ARGV[i])
end
if ARGV[1] == '' then
    redis.call('PERSIST', KEYS[1])
else
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return length
"""

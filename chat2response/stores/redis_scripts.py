"""What Redis does in one step, as scripts of one key each, so that a cluster can run them (6.2 or newer).

Times are those of Redis itself, in milliseconds. A change is announced in the step that makes it; a user who
may not publish writes all the same, and others then see the change a little later.
"""

# KEYS[1]; ARGV: the text, its life or "", the channel and the message that announce it, then what must be
# there before: "any", "none", or "same" and the text.
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
local there = redis.call('DEL', KEYS[1])
if there == 1 then
    redis.pcall('PUBLISH', ARGV[1], ARGV[2])
end
return there
"""

# KEYS[1]: a number. ARGV: how much, the ceiling or "", the life of a new counter or "".
ADD = """
local held = redis.call('GET', KEYS[1])
local n, ceiling = tonumber(ARGV[1]), tonumber(ARGV[2])
if ceiling and n > 0 and tonumber(held or 0) + n > ceiling then
    return false
end
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
if not held and ARGV[3] ~= '' then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return value
"""

# KEYS[1]: a ledger, which is a hash: `settled`; `live`, the sum of what is on lease; `next`, when that has to
# be summed up again; `window`, where it has one; and for each lease, by its id, `<n>:<its end>`.
# ARGV: id, n, ceiling or "", life of the lease, window or "", how long a lease that ran out is remembered.
# Returns: granted, used, milliseconds until the window ends or -1.
LEASE = """
local key, id, n, ceiling = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local life, grace = tonumber(ARGV[4]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function number(field)
    return tonumber(redis.call('HGET', key, field) or 0)
end

local live, next_ = number('live'), number('next')
if next_ > 0 and next_ <= now then
    live, next_ = 0, 0
    local fields = redis.call('HGETALL', key)
    for i = 1, #fields, 2 do
        local held, fin = string.match(fields[i + 1], '^(%d+):(%d+)$')
        if held then
            held, fin = tonumber(held), tonumber(fin)
            if fin + grace <= now then
                redis.call('HDEL', key, fields[i])
                fin = nil
            elseif fin <= now then
                redis.call('HSET', key, fields[i], string.format('0:%.0f', fin))
                fin = fin + grace
            else
                live = live + held
            end
            if fin and (next_ == 0 or fin < next_) then
                next_ = fin
            end
        end
    end
end

local settled, windowed = number('settled'), redis.call('HEXISTS', key, 'window') == 1
local granted = redis.call('HEXISTS', key, id) == 1
if not granted and (not ceiling or settled + live + n <= ceiling) then
    granted = true
    live = live + n
    local fin = now + life
    if next_ == 0 or fin < next_ then
        next_ = fin
    end
    local new = redis.call('EXISTS', key) == 0
    redis.call('HSET', key, id, string.format('%.0f:%.0f', n, fin))
    if new and ARGV[5] ~= '' then
        windowed = true
        redis.call('HSET', key, 'window', ARGV[5])
        redis.call('PEXPIRE', key, ARGV[5])
    elseif not windowed and settled == 0 and (new or redis.call('PTTL', key) < life + grace) then
        redis.call('PEXPIRE', key, life + grace)
    end
end
if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'live', string.format('%.0f', live), 'next', string.format('%.0f', next_))
end
return {granted and 1 or 0, settled + live, windowed and redis.call('PTTL', key) or -1}
"""

# KEYS[1]: a ledger. ARGV: the lease's id, what was used.
SETTLE = """
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then
    return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
local n = string.match(held, '^(%d+):')
if n ~= '0' then
    redis.call('HINCRBY', KEYS[1], 'live', '-' .. n)
end
if ARGV[2] ~= '0' then
    redis.call('HINCRBY', KEYS[1], 'settled', ARGV[2])
    if redis.call('HEXISTS', KEYS[1], 'window') == 0 then
        redis.call('PERSIST', KEYS[1])
    end
end
return 1
"""

# KEYS[1]: a list. ARGV: the log's life or "", then the documents, one at least.
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

"""What Valkey does in one go. Times are the server's own, in milliseconds: hosts' clocks differ.

A window is kept in two keys: a sorted set of `amount:call` by the moment it was let in, and their
sum. `limits` and its like count without a way back; here a call that was not made, or used less
than was reserved, gives the rest back at the place in time that it took.
"""

ADMIT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local call, probe_ms, calls = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if probe_ms > 0 then
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= call then return {0, redis.call('PTTL', KEYS[1])} end
end
local needs = {}
for i = 1, (#KEYS - 1) / 2 do
  local log, sum = KEYS[2 * i], KEYS[2 * i + 1]
  local limit, period = tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local gone = redis.call('ZRANGEBYSCORE', log, '-inf', now - period)
  local used = tonumber(redis.call('GET', sum) or '0')
  if #gone > 0 then
    for _, one in ipairs(gone) do used = used - tonumber(string.match(one, '^%d+')) end
    redis.call('ZREMRANGEBYSCORE', log, '-inf', now - period)
    redis.call('SET', sum, used)
  end
  needs[i] = math.min(tonumber(ARGV[3 * i + 3]), limit)
  local excess = used + math.min(needs[i] * calls, limit) - limit
  if excess > 0 then
    local rows, at = redis.call('ZRANGE', log, 0, -1, 'WITHSCORES'), now
    for row = 1, #rows, 2 do
      if excess <= 0 then break end
      at = tonumber(rows[row + 1]) + period
      excess = excess - tonumber(string.match(rows[row], '^%d+'))
    end
    return {i, math.max(1, math.ceil(at - now))}
  end
end
for i = 1, #needs do
  local log, sum, period = KEYS[2 * i], KEYS[2 * i + 1], tonumber(ARGV[3 * i + 2])
  for number = 0, calls - 1 do
    redis.call('ZADD', log, now, needs[i] .. ':' .. call .. '.' .. number)
  end
  redis.call('INCRBY', sum, needs[i] * calls)
  redis.call('PEXPIRE', log, period)
  redis.call('PEXPIRE', sum, period)
end
if probe_ms > 0 then redis.call('SET', KEYS[1], call, 'PX', probe_ms) end
return {}
"""
"""KEYS: the probe's; a log and a sum for each window. ARGV: the call's id, for how long it tries
(0: it does not), how many calls at once; of each window the limit, the period, what a call takes.

Nothing, or which window stands in the way (0: another one tries) and for how long."""

SETTLE = """
local at = redis.call('ZSCORE', KEYS[1], ARGV[2] .. ':' .. ARGV[1])
if not at then return 0 end
redis.call('ZREM', KEYS[1], ARGV[2] .. ':' .. ARGV[1])
if tonumber(ARGV[3]) > 0 then redis.call('ZADD', KEYS[1], at, ARGV[3] .. ':' .. ARGV[1]) end
return redis.call('INCRBY', KEYS[2], ARGV[3] - ARGV[2])
"""
"""KEYS: log and sum. ARGV: the call, what it was counted as, what it comes to."""

RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""KEYS: the probe's. ARGV: the call."""

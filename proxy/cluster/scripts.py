"""What Valkey does in one go. Times are the server's own, in milliseconds: hosts' clocks differ.

A window is kept in two keys: a sorted set of `amount:call` by the moment it was let in, and their
sum. `limits` and its like count without a way back; here a call that was not made, or used less
than was reserved, gives the rest back at the place in time that it took.
"""

ADMIT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local call, probe_ms, sums = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local answer, is_spent = {0, 0}, false
for i = 1, sums do
  local key, at = KEYS[1 + i], 3 * i
  redis.call('SET', key, ARGV[at + 1], 'NX', 'EX', ARGV[#ARGV])
  answer[2 + i] = redis.call('INCRBY', key, ARGV[at + 2])
  if answer[2 + i] >= tonumber(ARGV[at + 3]) then is_spent = true end
end
if is_spent then answer[1] = -2 return answer end
if probe_ms > 0 then
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= call then
    answer[1], answer[2] = -1, redis.call('PTTL', KEYS[1])
    return answer
  end
end
local needs, first = {}, 3 * (sums + 1)
for i = 1, (#KEYS - 1 - sums) / 2 do
  local log, sum, at = KEYS[sums + 2 * i], KEYS[sums + 2 * i + 1], first + 4 * (i - 1)
  local limit, period = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local calls = tonumber(ARGV[at + 4])
  local gone = redis.call('ZRANGEBYSCORE', log, '-inf', now - period)
  local used = tonumber(redis.call('GET', sum) or '0')
  if #gone > 0 then
    for _, one in ipairs(gone) do used = used - tonumber(string.match(one, '^%d+')) end
    redis.call('ZREMRANGEBYSCORE', log, '-inf', now - period)
    redis.call('SET', sum, used)
  end
  needs[i] = math.min(tonumber(ARGV[at + 3]), limit)
  local excess = used + math.min(needs[i] * calls, limit) - limit
  if excess > 0 then
    local rows, free_at = redis.call('ZRANGE', log, 0, -1, 'WITHSCORES'), now
    for row = 1, #rows, 2 do
      if excess <= 0 then break end
      free_at = tonumber(rows[row + 1]) + period
      excess = excess - tonumber(string.match(rows[row], '^%d+'))
    end
    answer[1], answer[2] = i, math.max(1, math.ceil(free_at - now))
    return answer
  end
end
for i = 1, #needs do
  local log, sum, at = KEYS[sums + 2 * i], KEYS[sums + 2 * i + 1], first + 4 * (i - 1)
  local period, calls = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 4])
  for number = 0, calls - 1 do
    redis.call('ZADD', log, now, needs[i] .. ':' .. call .. '.' .. number)
  end
  redis.call('INCRBY', sum, needs[i] * calls)
  redis.call('PEXPIRE', log, period)
  redis.call('PEXPIRE', sum, period)
end
if probe_ms > 0 then redis.call('SET', KEYS[1], call, 'PX', probe_ms) end
return answer
"""
"""KEYS: the probe's; each sum of money; a log and a sum for each window. ARGV: the call's id, for
how long it tries (0: it does not), how many sums; of each sum what it begins at, what comes to it,
how far it may go; of each window the limit, the period, what one of its calls takes, how many there
are; for how many seconds a sum is kept.

What stands in the way (0: nothing, a number: that window, -1: another one tries, -2: the money is
spent), for how many milliseconds, and what each sum comes to."""

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

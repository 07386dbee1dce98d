"""What Valkey does in one go. Times are the server's own, in milliseconds: hosts' clocks differ.

A window is kept in two keys: a sorted set of `amount:call` by the moment it was let in, and their
sum. `limits` and its like count without a way back; here a call that was not made, or used less
than was reserved, gives the rest back at the place in time that it took.
"""

ADMIT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local call, probe_ms, sums, windows, kept_s = unpack(cmsgpack.unpack(ARGV[1]))
local answer, is_spent = {0, 0}, false
for i, one in ipairs(sums) do
  local known, amount, most = unpack(one)
  redis.call('SET', KEYS[1 + i], known, 'NX', 'EX', kept_s)
  answer[2 + i] = redis.call('INCRBY', KEYS[1 + i], amount)
  if answer[2 + i] >= most then is_spent = true end
end
if is_spent then answer[1] = -2 return answer end
if probe_ms > 0 then
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= call then
    answer[1], answer[2] = -1, redis.call('PTTL', KEYS[1])
    return answer
  end
end
for i, one in ipairs(windows) do
  local log, sum = KEYS[#sums + 2 * i], KEYS[#sums + 2 * i + 1]
  local limit, period, need, calls = unpack(one)
  local gone = redis.call('ZRANGEBYSCORE', log, '-inf', now - period)
  local used = tonumber(redis.call('GET', sum) or '0')
  if #gone > 0 then
    for _, entry in ipairs(gone) do used = used - tonumber(string.match(entry, '^%d+')) end
    redis.call('ZREMRANGEBYSCORE', log, '-inf', now - period)
    redis.call('SET', sum, used)
  end
  local excess = used + math.min(math.min(need, limit) * calls, limit) - limit
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
for i, one in ipairs(windows) do
  local log, sum = KEYS[#sums + 2 * i], KEYS[#sums + 2 * i + 1]
  local limit, period, need, calls = unpack(one)
  need = string.format('%.0f', math.min(need, limit))
  for number = 0, calls - 1 do
    redis.call('ZADD', log, now, need .. ':' .. call .. '.' .. number)
  end
  redis.call('INCRBY', sum, need * calls)
  redis.call('PEXPIRE', log, period)
  redis.call('PEXPIRE', sum, period)
end
if probe_ms > 0 then redis.call('SET', KEYS[1], call, 'PX', probe_ms) end
return answer
"""
"""KEYS: the probe's; each sum of money; a log and a sum for each window. ARGV: in one piece, which
takes less time to write than many, the call's id; for how long it tries (0: it does not); of each
sum what it begins at, what comes to it, how far it may go; of each window the limit, the period,
what one of its calls takes, how many there are; for how many seconds a sum is kept.

What stands in the way (0: nothing, a number: that window, -1: another one tries, -2: the money is
spent), for how many milliseconds, and what each sum comes to."""

SETTLE = """
for i = 1, #ARGV / 3 do
  local log, sum = KEYS[2 * i - 1], KEYS[2 * i]
  local call, was, comes_to = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
  local at = redis.call('ZSCORE', log, was .. ':' .. call)
  if at then
    redis.call('ZREM', log, was .. ':' .. call)
    if tonumber(comes_to) > 0 then redis.call('ZADD', log, at, comes_to .. ':' .. call) end
    redis.call('INCRBY', sum, comes_to - was)
  end
end
return 0
"""
"""KEYS: of each call log and sum. ARGV: of each its name, what it counted as, what it comes to."""

COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #ARGV / 4 do
  local log, sum = KEYS[2 * i - 1], KEYS[2 * i]
  local call, amount, age, period = unpack(ARGV, 4 * i - 3, 4 * i)
  if redis.call('ZADD', log, 'NX', now - age, amount .. ':' .. call) == 1 then
    redis.call('INCRBY', sum, amount)
    redis.call('PEXPIRE', log, period)
    redis.call('PEXPIRE', sum, period)
  end
end
return 0
"""
"""KEYS: of each call log and sum. ARGV: of each its name, what it takes, for how many milliseconds
it has counted, and the window's period."""

RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""KEYS: the probe's. ARGV: the call."""

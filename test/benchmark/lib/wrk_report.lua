-- The result of one run of wrk as one line of JSON, which wrk.rb reads. Times are microseconds.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nBENCH {"requests":%d,"duration":%d,"bytes":%d,"status":%d,"socket":%d,"timeout":%d,"latency":{',
    summary.requests, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write, errors.timeout))
  for _, percentile in ipairs({ 50, 75, 90, 95, 99, 99.9 }) do
    io.write(string.format('"%g":%d,', percentile, latency:percentile(percentile)))
  end
  io.write(string.format('"max":%d}}\n', latency.max))
end

# frozen_string_literal: true

# Calls the Rack application of the current folder for PATH in a loop, without any server. Prints
# the microseconds of processor time that a call takes.
require 'rack'

SECONDS = 2

path = ARGV.fetch(0)
app = [Rack::Builder.parse_file('config.ru')].flatten.first
environment = Rack::MockRequest.env_for("http://127.0.0.1#{path}")

call = lambda do
  status, _headers, body = app.call(environment.dup)
  body.each(&:itself)
  body.close if body.respond_to?(:close)
  abort "#{path} answered #{status}" unless status == 200
end

series = lambda do
  calls = 0
  began = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)
  taken = 0
  while taken < SECONDS
    100.times { call.call }
    calls += 100
    taken = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) - began
  end
  taken / calls * 1e6
end

series.call # warms up
puts "LOOP #{series.call.round(2)}"

# frozen_string_literal: true

require "zlib"

# Returns each request's nonce, and notes each run in a file that all instances append to.
class NonceApp
  # Longer answers are sent in several messages.
  PIECE = 20_000

  def initialize(runs)
    @runs = runs
  end

  def call(env)
    nonce = env.fetch("HTTP_X_NONCE")
    @runs.syswrite("#{nonce} #{Process.pid} #{Process.clock_gettime(Process::CLOCK_MONOTONIC)}\n")
    body = env["rack.input"].read.to_s
    [200, { "X-Nonce" => nonce, "X-Received" => "#{body.bytesize} #{Zlib.crc32(body)}" },
     pieces(nonce, env.fetch("HTTP_X_WANTED").to_i)]
  end

  private

  def pieces(nonce, size)
    Enumerator.new do |body|
      line = "#{nonce}\n"
      text = (line * (size / line.bytesize + 1)).byteslice(0, size)
      0.step(size - 1, PIECE) { |start| body << text.byteslice(start, PIECE) }
    end
  end
end

# One instance at a time has a thread that only computes: its other threads often wait for the
# interpreter.
if ENV["BUSY"]
  PhusionPassenger.on_event(:starting_worker_process) do
    $busy = File.open(ENV.fetch("BUSY"), "a")
    Thread.new { loop { nil } } if $busy.flock(File::LOCK_EX | File::LOCK_NB)
  end
end

if ENV["HOSTILE"]
  require_relative "hostility"
  PhusionPassenger.on_event(:starting_worker_process) { Hostility.begin(ENV.fetch("HOSTILE")) }
end

# An append is one step in the kernel, so runs of several processes do not mix.
run NonceApp.new(File.open(ENV.fetch("RUNS"), "a"))

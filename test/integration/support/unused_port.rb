# frozen_string_literal: true

require "securerandom"
require "socket"

# Finds TCP ports of 127.0.0.1 for servers that start a moment later. The kernel gives ports from
# 32768 to clients and to servers that ask for port 0, so these are below. Forked processes have the
# same Kernel.rand.
module UnusedPort
  PORTS = (10_000..32_000).freeze

  module_function

  def find
    TCPServer.open("127.0.0.1", SecureRandom.rand(PORTS)) { |server| server.addr[1] }
  rescue Errno::EADDRINUSE
    retry
  end
end

# frozen_string_literal: true

# Keeps an instance of the rack application in work, for tests of the class IntegrationTest.
module BusyInstance
  private

  # Runs the block while a request keeps an instance. Returns what the block returns.
  def while_busy(site)
    path = fifo("fifo-#{rand(1 << 32)}")
    started = "#{path}-started"
    # On a machine that stalls, this request itself may wait too long.
    busy = Thread.new do
      20.times.find do
        server.client(site, timeout: 60).get("/wait?fifo=#{path}&started=#{started}").code == "200"
      end
    end
    eventually("the instance is busy") { File.exist?(started) }
    yield
  ensure
    release(path) if busy
    busy&.join
  end
end

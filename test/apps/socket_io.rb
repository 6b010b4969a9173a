# frozen_string_literal: true

# A chat on socket.io, whose connections are in the memory of one process.
class SocketIo < Application
  title "socket.io"
  npm "socket.io@4", "socket.io-client@4"

  { "polling" => 200, "websocket" => 200, "polling,websocket" => 50 }.each do |transports, count|
    [false, true].each do |tls|
      check "#{count} clients by #{transports}#{' over TLS' if tls} get a broadcast" do
        # 200 at once would be more than the queue of an application that is not started yet.
        browser.get("/")
        assert_equal "#{count} have heard it",
                     client("node", client_program("socket_io.js"), url(tls: tls), transports,
                            count.to_s).strip
      end
    end
  end

  check "the server goes on when all clients have left" do
    assert_status 200, browser.get("/")
  end
end

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "prefork/Listening.h"
#include "prefork/PreForkServer.h"

namespace Passenger {

/**
 * A server whose workers are forks of this program: it listens once, in the monitor, and each worker accepts and serves one connection after
 * the other by calling a function. What a worker is doing is told to the monitor around each connection.
 *
 * Signs of life come from the same loop, so a worker that is stuck in its function is seen as stuck; a function that takes long on purpose calls ack().
 * While the next connection waits already, a worker goes on with it and tells nothing in between: it was busy and is.
 * The monitor's pipe is descriptor 1 of the function, too: text that it prints there comes out of the monitor as lines, but the bytes of a constant
 * (WorkerOutput.h) are one, whoever wrote them. A function that prints bytes of strangers there opens another descriptor 1 first.
 * SIGINT and SIGTERM end a worker after its connection, and so does the monitor's end.
 */
class AcceptServer : public PreForkServer {
public:
    /** Serves the connection, a blocking stream socket. What it throws is written to standard error, and the worker goes on. */
    using Handler = std::function<void(FileDescriptor connection)>;

    void sendAck(std::chrono::milliseconds interval) override;
    void start() override;
    void resumeAccept() override;
    /** In a worker: sends a sign of life if it is time for one. */
    void ack();
    const FileDescriptor &listener() const noexcept {
        return listener_;
    }

protected:
    explicit AcceptServer(Handler handler);

private:
    virtual FileDescriptor listen() = 0;

    bool acceptOne();
    void serve(FileDescriptor connection);
    void tell(std::string_view constant);
    void setBusy(bool busy);

    Handler handler_;
    std::chrono::milliseconds ackInterval_{0};
    FileDescriptor listener_;
    // In a worker.
    FileDescriptor output_;
    bool busy_ = false;
    std::chrono::steady_clock::time_point nextAck_;
};

class TcpServer final : public AcceptServer {
public:
    /** As for listenOnTcp(). */
    TcpServer(std::string host, std::uint16_t port, Handler handler, int backlog = DEFAULT_BACKLOG);
    /** The one it has, once it was started. */
    std::uint16_t port() const;

private:
    FileDescriptor listen() override;

    std::string host_;
    std::uint16_t port_;
    int backlog_;
};

/** Whoever made it removes the socket's file at the end. */
class UnixServer final : public AcceptServer {
public:
    /** As for listenOnUnix(). */
    UnixServer(std::string path, Handler handler, mode_t mode = 0660, int backlog = DEFAULT_BACKLOG);
    ~UnixServer() override;
    UnixServer(const UnixServer &) = delete;
    UnixServer &operator=(const UnixServer &) = delete;

private:
    FileDescriptor listen() override;

    std::string path_;
    mode_t mode_;
    int backlog_;
    /** Who has made the file, and which one it is. */
    pid_t maker_ = 0;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace Passenger

#pragma once

#include <chrono>
#include <functional>
#include <string_view>

#include "base/FileDescriptor.h"
#include "prefork/PreForkServer.h"

namespace Passenger {

/**
 * A server whose workers are forks of this program. The monitor listens once. Each worker accepts
 * connections and calls a function with each, one after the other. Around each connection the
 * worker tells the monitor whether it is busy.
 *
 * The same loop sends the signs of life, so the monitor notices a worker that is stuck in its
 * function. A function that takes long on purpose calls ack(). A worker that finds the next
 * connection waiting takes it without a message in between.
 *
 * Descriptor 1 of the function is the monitor's pipe. The monitor prints text that the function
 * writes there, line by line. But the monitor takes the bytes of a constant (WorkerOutput.h) for
 * the constant. A function that prints a client's bytes opens another descriptor 1 first.
 *
 * After SIGINT or SIGTERM a worker ends when its connection has ended. It ends likewise with the
 * monitor.
 */
class AcceptServer : public PreForkServer {
public:
    /**
     * Serves the connection, a blocking stream socket. An exception is written to standard error,
     * and the worker continues.
     */
    using Handler = std::function<void(FileDescriptor connection)>;

    void sendAck(std::chrono::milliseconds interval) override;
    void start() override;
    void resumeAccept() override;
    /** In a worker: sends a sign of life if one is due. */
    void ack();
    const FileDescriptor &listener() const noexcept { return listener_; }

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

}  // namespace Passenger

#pragma once

#include <sys/stat.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "prefork/Listening.h"
#include "prefork/PreForkServer.h"
#include "standalone/ListenAddress.h"

namespace Passenger {

/**
 * The sockets that workers inherit, close-on-exec and nonblocking. Some are handed over at the
 * start, by systemd or by a predecessor; this class opens the others.
 *
 * The destructor removes the files of Unix sockets that this process made, unless keepFiles() was
 * called. After ownHandedOver() it also removes those that a predecessor made. Not thread-safe.
 */
class ListeningSockets : public PreForkServer {
public:
    /** The environment variable by which a successor gets handOver(). */
    static constexpr const char *HANDED_OVER = "PASSENGER_PREFORK_SOCKETS";

    struct Settings {
        std::vector<ListenAddress> addresses;
        /** The permissions of the files of Unix sockets. */
        mode_t mode = 0666;
        int backlog = 1024;
    };

    explicit ListeningSockets(Settings settings) : settings_(std::move(settings)) {}
    ~ListeningSockets() override;
    ListeningSockets(const ListeningSockets &) = delete;
    ListeningSockets &operator=(const ListeningSockets &) = delete;

    void sendAck(std::chrono::milliseconds interval) override { ackInterval_ = interval; }
    /**
     * Opens all sockets, or takes those of a predecessor. Called while the process has one thread,
     * since it changes the environment. @throws IOException or SystemException with the address
     */
    void start() override;
    /** Never called: workers are another program. @throws std::logic_error */
    void resumeAccept() override;

    std::chrono::milliseconds ackInterval() const noexcept { return ackInterval_; }
    std::vector<int> descriptors() const;
    /**
     * The descriptors, separated by commas. Behind each Unix socket whose file the destructor would
     * remove stands the identity of that file: DESCRIPTOR=DEVICE:INODE.
     */
    std::string handOver() const;
    /**
     * The two ends of the queue by which workers give connections to each other: the taking end and
     * the giving end. A successor has a queue of its own.
     */
    std::array<int, 2> queue() const noexcept { return {queue_.first.get(), queue_.second.get()}; }
    /** All workers are to end: they can take connections out of the queue, but put none in. */
    void shutQueue() noexcept;
    /** The predecessor has ended, or ends: it leaves its files to this process. */
    void ownHandedOver();
    /** Another process uses the sockets: their files stay. */
    void keepFiles() noexcept { files_.clear(); }

private:
    bool takeOver();
    void takeFromSystemd();
    void adopt(int descriptor, const char *giver);
    void listen(const ListenAddress &address);

    const Settings settings_;
    std::chrono::milliseconds ackInterval_{0};
    std::vector<FileDescriptor> sockets_;
    DescriptorPair queue_;
    std::vector<SocketFile> files_;
    /** The predecessor's, which uses them until this process is ready. */
    std::vector<SocketFile> handedOver_;
};

}  // namespace Passenger

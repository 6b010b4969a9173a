#pragma once

#include <sys/stat.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "prefork/PreForkServer.h"
#include "standalone/ListenAddress.h"

namespace Passenger {

/**
 * The sockets that workers inherit: those that were handed over at the start (by systemd, or by the process that this one succeeds), and
 * those that it makes itself. They are close-on-exec, and do not block.
 *
 * The names of Unix sockets that it or a predecessor has made go with it, unless keepFiles() was said. Not thread-safe; of one thread.
 */
class ListeningSockets : public PreForkServer {
public:
    /** By this environment variable a process tells its successor the descriptors, separated by commas. */
    static constexpr const char *HANDED_OVER = "PASSENGER_PREFORK_SOCKETS";

    struct Settings {
        std::vector<ListenAddress> addresses;
        /** Of the files of Unix sockets. */
        mode_t mode = 0666;
        int backlog = 1024;
    };

    explicit ListeningSockets(Settings settings) : settings_(std::move(settings)) {}
    ~ListeningSockets() override;
    ListeningSockets(const ListeningSockets &) = delete;
    ListeningSockets &operator=(const ListeningSockets &) = delete;

    void sendAck(std::chrono::milliseconds interval) override {
        ackInterval_ = interval;
    }
    /** Where sockets of a predecessor are there, they are all. While the process has one thread: the environment is changed.
     *  @throws IOException or SystemException that names the address */
    void start() override;
    /** Workers are another program. @throws std::logic_error */
    void resumeAccept() override;

    std::chrono::milliseconds ackInterval() const noexcept {
        return ackInterval_;
    }
    std::vector<int> descriptors() const;
    /** The two ends of the line by which workers give connections to each other: where they are taken, and where they are given. A successor
     *  has a line of its own. */
    std::array<int, 2> line() const noexcept {
        return {line_.first.get(), line_.second.get()};
    }
    /** Workers are about to end, all of them: what is in the line is still taken, and nothing more comes into it. */
    void shutQueue() noexcept;
    /** The sockets live on in another process. */
    void keepFiles() noexcept {
        files_.clear();
    }

private:
    /** A name that was made, and what it stood for. */
    struct File {
        std::string path;
        dev_t device;
        ino_t inode;
    };

    bool takeOver();
    void takeFromSystemd();
    void adopt(int descriptor, const char *giver);
    void listen(const ListenAddress &address);
    bool isOurs(const std::string &path) const;
    void noteFile(const std::string &path);

    const Settings settings_;
    std::chrono::milliseconds ackInterval_{0};
    std::vector<FileDescriptor> sockets_;
    DescriptorPair line_;
    std::vector<File> files_;
};

}  // namespace Passenger

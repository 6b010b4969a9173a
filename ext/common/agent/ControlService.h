#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "agent/EndableThread.h"
#include "base/DescriptorSender.h"
#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "io/Frame.h"
#include "io/FrameSocket.h"

namespace Passenger {

/** The sender of an order, as the kernel tells. */
struct Asker {
    uid_t uid = 0;
    /** A child of httpd: it may ask about all applications, and may order nothing. */
    bool isHttpd = false;
};

/** An ORDER_DONE or ORDER_REFUSED frame, with the descriptors that go with it. */
using OrderAnswer = std::function<Frame(const Asker &asker, const Frame &order)>;

/**
 * Answers orders of commands and questions of httpd's children (doc/PROTOCOLS.md, section 5), in a
 * thread of its own. Never waits for an asker: an asker that sends an order before it has read the
 * last answer loses its connection.
 *
 * Owned by AgentServices. Any thread may call the methods.
 */
class ControlService {
public:
    /** Connections at once, and those of one user other than root. Beyond that, the oldest ends. */
    static constexpr std::size_t MOST_CONNECTIONS = 64;
    static constexpr std::size_t MOST_OF_A_USER = 8;
    /** Connections of httpd's children. They get no further one: a question that waits does not end
     *  for a later one. */
    static constexpr std::size_t MOST_OF_HTTPD = 48;

    struct Parts {
        OrderAnswer answer;
        /** Called every `interval`. */
        std::function<void()> tick;
        std::chrono::milliseconds interval;
    };

    /** @param parts called in the service's thread; may throw
     *  @throws SystemException, boost::thread_resource_error */
    explicit ControlService(Parts parts);
    ~ControlService();
    ControlService(const ControlService &) = delete;
    ControlService &operator=(const ControlService &) = delete;

    /** Accepts connections on this socket, and soon on no earlier one. @param socket empty: none */
    void listen(FileDescriptor socket) EXCLUDES(mutex_);
    /** A connection for a child of httpd. @throws SystemException, IOException */
    FileDescriptor connect() EXCLUDES(mutex_);

private:
    struct Connection {
        Asker asker;
        FrameSocket socket;
        /** Of httpd: a copy of `ofHttpd_`. */
        std::shared_ptr<const char> place{};
    };
    struct Fresh {
        FileDescriptor socket;
        std::shared_ptr<const char> place;
    };

    void run(const FileDescriptor &ending);
    void tickIfDue() noexcept;
    bool closesWait() noexcept;
    void accept();
    void takeNews() EXCLUDES(mutex_);
    void add(Connection connection);
    void dropOldest(const std::function<bool(const Connection &)> &which);
    bool serve(Connection &connection);
    std::optional<std::chrono::steady_clock::time_point> restOf(const Asker &asker) const;

    const Parts parts_;
    std::chrono::steady_clock::time_point nextTick_{};
    FileDescriptor listening_;
    /** Those of other users that have connected. */
    const DescriptorSender strangers_ = newDescriptorSender();
    /** Whether the last accept() failed. */
    bool failing_ = false;
    /** The oldest first; of a user other than root, the one that was answered longest ago. */
    std::list<Connection> connections_;
    /** By user other than root: no order is taken before, on whatever connection. */
    std::map<uid_t, std::chrono::steady_clock::time_point> nextOrderAt_;
    Mutex mutex_{Locks::CONTROL_SERVICE};
    /** Made by connect(), not yet served. */
    std::vector<Fresh> fresh_ GUARDED_BY(mutex_);
    /** Counts the connections of httpd, by its copies. */
    const std::shared_ptr<const char> ofHttpd_ = std::make_shared<const char>();
    /** Made by listen(), not yet taken; nothing: the socket stays. */
    std::optional<FileDescriptor> nextListening_ GUARDED_BY(mutex_);
    /** An eventfd: one of these has changed. */
    FileDescriptor wake_;
    EndableThread thread_;
};

}  // namespace Passenger

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "io/Frame.h"
#include "loop/Thread.h"
#include "pool/DescriptorStore.h"

namespace Passenger {

/**
 * A pool process's way of sending to its watchdog, above all descriptors that are to outlive it.
 *
 * Owned by PoolProcess. Thread-safe; nothing waits but flush(), so the event loop may call the rest. What the socket
 * takes at once is safe when the call returns: even if this process is killed then, the watchdog finds it. The rest
 * waits in a line, which a thread sends on. Frames arrive in the order of the calls. When the watchdog is gone, all is
 * dropped: this process is about to end.
 */
class DescriptorStoreClient final : public DescriptorStore {
public:
    /** Frames that wait. Beyond it deposits are lost, with a line in the log: they serve after a crash only. */
    static constexpr std::size_t MAX_WAITING = 65536;

    /** @param socket stays the caller's, who may receive on it, and outlives this object
     *  @throws boost::thread_resource_error */
    explicit DescriptorStoreClient(const FileDescriptor &socket);
    ~DescriptorStoreClient() override;
    DescriptorStoreClient(const DescriptorStoreClient &) = delete;
    DescriptorStoreClient &operator=(const DescriptorStoreClient &) = delete;

    /** @throws ProtocolException (more than MAX_DESCRIPTORS, or too long) */
    void put(const std::string &key, const std::string &note, const std::vector<int> &descriptors) override
        EXCLUDES(mutex_);
    void remove(const std::string &key) override EXCLUDES(mutex_);
    /** A frame without descriptors. */
    void send(const Frame &frame) EXCLUDES(mutex_);
    /** Waits until all is sent. False when it was not within `timeout`, or never will be. */
    bool flush(std::chrono::milliseconds timeout) EXCLUDES(mutex_);

private:
    struct Waiting {
        std::string_view left() const {
            return std::string_view(bytes).substr(sent);
        }

        std::string bytes;
        std::size_t sent = 0;
        /** Copies, to be sent with the first byte. */
        std::vector<FileDescriptor> descriptors;
    };

    void send(std::string bytes, const std::vector<int> &descriptors) EXCLUDES(mutex_);
    void enqueue(std::string bytes, std::size_t sent, const std::vector<int> &descriptors) REQUIRES(mutex_);
    std::optional<std::size_t> trySend(std::string_view bytes, const std::vector<int> &descriptors) REQUIRES(mutex_);
    void sendOn() EXCLUDES(mutex_);
    bool waitForWork() EXCLUDES(mutex_);
    bool sendWaiting() EXCLUDES(mutex_);

    const FileDescriptor &socket_;
    Mutex mutex_{Locks::DESCRIPTOR_STORE_CLIENT};
    std::condition_variable changed_;
    std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
    /** Something was lost since the line was empty last; said once. */
    bool losing_ GUARDED_BY(mutex_) = false;
    bool broken_ GUARDED_BY(mutex_) = false;
    bool stopping_ GUARDED_BY(mutex_) = false;
    Thread sender_;
};

}  // namespace Passenger

#include "agent/DescriptorStoreClient.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The longest time until the thread notices that it must end. */
constexpr milliseconds TURN{100};
/** The offset in a frame's header. */
constexpr std::size_t DESCRIPTOR_COUNT_OFFSET = 6;

std::vector<FileDescriptor> duplicate(const std::vector<int> &descriptors) {
    std::vector<FileDescriptor> copies;
    for (const int fd : descriptors) {
        const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        throwUnless(copy >= 0, "fcntl(F_DUPFD_CLOEXEC)");
        copies.emplace_back(copy);
    }
    return copies;
}

}  // namespace

DescriptorStoreClient::DescriptorStoreClient(const FileDescriptor &socket)
    : socket_(socket), sender_("store", [this] { sendOn(); }) {}

DescriptorStoreClient::~DescriptorStoreClient() {
    {
        const LockGuard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    sender_.join();
}

void DescriptorStoreClient::put(const std::string &key, const std::string &note, const std::vector<int> &descriptors) {
    if (descriptors.size() > MAX_DESCRIPTORS) {
        throw ProtocolException("Too many descriptors for one entry: " + std::to_string(descriptors.size()));
    }
    std::string bytes = Frame(FrameType::STORE, {key, note}).encode();
    bytes[DESCRIPTOR_COUNT_OFFSET] = static_cast<char>(descriptors.size());
    send(std::move(bytes), descriptors);
}

void DescriptorStoreClient::remove(const std::string &key) {
    send(Frame(FrameType::REMOVE, {key}));
}

void DescriptorStoreClient::send(const Frame &frame) {
    send(frame.encode(), {});
}

void DescriptorStoreClient::send(std::string bytes, const std::vector<int> &descriptors) {
    const LockGuard lock(mutex_);
    if (broken_) {
        return;
    }
    std::size_t sent = 0;
    if (waiting_.empty()) {
        sent = trySend(bytes, descriptors).value_or(0);
        if (sent == bytes.size() || broken_) {
            return;
        }
    }
    enqueue(std::move(bytes), sent, descriptors);
}

void DescriptorStoreClient::enqueue(std::string bytes, std::size_t sent, const std::vector<int> &descriptors) {
    try {
        if (waiting_.size() >= MAX_WAITING) {
            throw IOException("the watchdog does not read its socket");
        }
        waiting_.push_back(
            {std::move(bytes), sent, sent == 0 ? duplicate(descriptors) : std::vector<FileDescriptor>()});
        changed_.notify_all();
    } catch (const std::exception &exception) {
        if (!std::exchange(losing_, true)) {
            Log::error("event=deposits.lost reason=\"{}\"", exception.what());
        }
    }
}

/** @return the number of bytes that the socket has taken; nothing: none */
std::optional<std::size_t> DescriptorStoreClient::trySend(std::string_view bytes, const std::vector<int> &descriptors) {
    try {
        return sendWithDescriptors(socket_, bytes, descriptors, MSG_DONTWAIT);
    } catch (const SystemException &exception) {
        if (exception.error() != EAGAIN && exception.error() != ENOBUFS && exception.error() != ETOOMANYREFS) {
            Log::debug("event=watchdog.gone reason=\"{}\"", exception.what());
            broken_ = true;
        }
        return std::nullopt;
    }
}

bool DescriptorStoreClient::flush(milliseconds timeout) {
    const auto deadline = deadlineIn(timeout);
    LockGuard lock(mutex_);
    while (!waiting_.empty() && lock.waitUntil(changed_, deadline)) {
    }
    return waiting_.empty() && !broken_;
}

/** The thread's work: waits for room in the socket while frames wait. */
void DescriptorStoreClient::sendOn() {
    while (waitForWork()) {
        const bool room = pollUntil(socket_.get(), POLLOUT, deadlineIn(TURN));
        if (room && !sendWaiting()) {
            // The socket has room for bytes, but the limit of descriptors in flight is reached.
            ::poll(nullptr, 0, static_cast<int>(UNDER_WAY_PAUSE.count()));
        }
    }
}

/** @return false: the thread must end */
bool DescriptorStoreClient::waitForWork() {
    LockGuard lock(mutex_);
    while (waiting_.empty() && !stopping_) {
        lock.wait(changed_);
    }
    return !stopping_;
}

/** @return false: frames are left */
bool DescriptorStoreClient::sendWaiting() {
    const LockGuard lock(mutex_);
    while (!waiting_.empty() && !broken_) {
        auto &first = waiting_.front();
        const auto sent = trySend(first.left(), first.sent == 0 ? numbersOf(first.descriptors) : std::vector<int>());
        if (!sent) {
            break;
        }
        first.sent += *sent;
        if (first.left().empty()) {
            waiting_.pop_front();
        }
    }
    if (broken_) {
        waiting_.clear();
    }
    if (!waiting_.empty()) {
        return false;
    }
    losing_ = false;
    changed_.notify_all();
    return true;
}

}  // namespace Passenger

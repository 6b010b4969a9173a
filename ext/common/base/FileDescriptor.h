#pragma once

#include <utility>
#include <vector>

#include "base/DescriptorSender.h"

namespace Passenger {

/**
 * Owns an open descriptor and closes it. Can be moved, not copied. A foreign descriptor, which came
 * from another process or was sent to one, is closed by the DescriptorCloser in use: the close may
 * wait.
 *
 * Not thread-safe. Several threads may use the descriptor itself while the owner exists.
 */
class FileDescriptor {
public:
    FileDescriptor() noexcept = default;
    /** Takes ownership of `fd`; -1 is "none". */
    explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
    /** Takes ownership of a descriptor that another process has sent or got, or of a socket whose
     *  receive buffer may hold such descriptors. @param sender not zero */
    static FileDescriptor foreign(int fd, DescriptorSender sender = ANY_SENDER) noexcept {
        FileDescriptor descriptor(fd);
        descriptor.sender_ = sender;
        return descriptor;
    }
    FileDescriptor(FileDescriptor &&other) noexcept : fd_(std::exchange(other.fd_, -1)), sender_(other.sender_) {}
    FileDescriptor &operator=(FileDescriptor &&other) noexcept {
        if (this != &other) {
            reset(std::exchange(other.fd_, -1));
            sender_ = other.sender_;
        }
        return *this;
    }
    FileDescriptor(const FileDescriptor &) = delete;
    FileDescriptor &operator=(const FileDescriptor &) = delete;
    ~FileDescriptor() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    /** Closes the owned descriptor and takes ownership of `fd`, which is not foreign. Keeps
     *  errno. */
    void reset(int fd = -1) noexcept;
    /** Zero: it is not foreign. */
    DescriptorSender sender() const noexcept { return sender_; }
    /** Gives up ownership. */
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    /** A second descriptor for the same open file, close-on-exec; foreign if this one is.
     *  @throws SystemException */
    FileDescriptor duplicate() const;

private:
    int fd_ = -1;
    DescriptorSender sender_;
};

/** Two connected sockets, or the two ends of a pipe (first: the reading end). */
struct DescriptorPair {
    FileDescriptor first;
    FileDescriptor second;
};

std::vector<int> numbersOf(const std::vector<FileDescriptor> &descriptors);

/** A close-on-exec pipe. @throws SystemException */
DescriptorPair makePipe();
/** An eventfd, close-on-exec and non-blocking. @throws SystemException */
FileDescriptor makeEventDescriptor();
void setEvent(const FileDescriptor &event) noexcept;
/** The eventfd is not readable until the next setEvent(). */
void clearEvent(const FileDescriptor &event) noexcept;

}  // namespace Passenger

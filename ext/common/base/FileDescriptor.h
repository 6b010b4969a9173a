#pragma once

#include <utility>

namespace Passenger {

/**
 * Owns an open descriptor: closes it, moves it, never copies it silently.
 *
 * Not thread-safe; the descriptor it wraps may of course be used from several threads while the owner lives.
 */
class FileDescriptor {
public:
    FileDescriptor() noexcept = default;
    /** Takes ownership of `fd`; -1 is "none". */
    explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
    FileDescriptor(FileDescriptor &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor &operator=(FileDescriptor &&other) noexcept {
        if (this != &other) {
            reset(std::exchange(other.fd_, -1));
        }
        return *this;
    }
    FileDescriptor(const FileDescriptor &) = delete;
    FileDescriptor &operator=(const FileDescriptor &) = delete;
    ~FileDescriptor() {
        reset();
    }

    int get() const noexcept {
        return fd_;
    }
    explicit operator bool() const noexcept {
        return fd_ >= 0;
    }
    /** Closes what is held and takes `fd` instead. Keeps errno. */
    void reset(int fd = -1) noexcept;
    /** Gives up ownership. */
    [[nodiscard]] int release() noexcept {
        return std::exchange(fd_, -1);
    }
    /** A second descriptor for the same open file, close-on-exec. @throws SystemException */
    FileDescriptor duplicate() const;

private:
    int fd_ = -1;
};

/** A pair of connected sockets or the two ends of a pipe (first: reading end). */
struct DescriptorPair {
    FileDescriptor first;
    FileDescriptor second;
};

/** A close-on-exec pipe. @throws SystemException */
DescriptorPair makePipe();

}  // namespace Passenger

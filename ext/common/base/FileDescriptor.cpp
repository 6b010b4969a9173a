#include "base/FileDescriptor.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "base/Lists.h"

namespace Passenger {

namespace {

/** New descriptors never take the numbers 0, 1 and 2, even if these are closed. */
constexpr int FIRST_ORDINARY_DESCRIPTOR = 3;

}  // namespace

void FileDescriptor::reset(int fd) noexcept {
    if (fd_ >= 0) {
        const int savedErrno = errno;
        if (DescriptorCloser *const closer = sender_ ? DescriptorCloser::inUse() : nullptr) {
            closer->close(fd_, sender_);
        } else {
            // Not repeated on EINTR: Linux has already released the number, and another thread may
            // have got it.
            ::close(fd_);
        }
        errno = savedErrno;
    }
    fd_ = fd;
    sender_ = DescriptorSender();
}

FileDescriptor FileDescriptor::duplicate() const {
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, FIRST_ORDINARY_DESCRIPTOR);
    throwUnless(copy >= 0, "fcntl(F_DUPFD_CLOEXEC)");
    return sender_ ? foreign(copy, sender_) : FileDescriptor(copy);
}

std::vector<int> numbersOf(const std::vector<FileDescriptor> &descriptors) {
    return listOf(descriptors, &FileDescriptor::get);
}

DescriptorPair makePipe() {
    int ends[2];
    throwUnless(::pipe2(ends, O_CLOEXEC) == 0, "pipe2");
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

FileDescriptor makeEventDescriptor() {
    FileDescriptor descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    throwUnless(descriptor, "eventfd");
    return descriptor;
}

void setEvent(const FileDescriptor &event) noexcept {
    ::eventfd_write(event.get(), 1);
}

void clearEvent(const FileDescriptor &event) noexcept {
    eventfd_t ignored = 0;
    ::eventfd_read(event.get(), &ignored);
}

}  // namespace Passenger

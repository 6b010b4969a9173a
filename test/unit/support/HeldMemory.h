#pragma once

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>

#include <cppunit/TestAssert.h>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A page of memory that does not come until the end of this object. A thread makes a system call
 * that uses the page: the call waits within the kernel, with the locks that it has taken. It stands
 * for a process of an application with a file of a FUSE file system.
 *
 * Only a process with CAP_SYS_PTRACE can make one: holds() is false otherwise.
 */
class HeldMemory {
public:
    static constexpr std::size_t SIZE = 4096;

    /** @param call gets the page, and is to wait; begins soon */
    explicit HeldMemory(std::function<void(char *page)> call) {
        faults_.reset(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
        uffdio_api api{};
        api.api = UFFD_API;
        if (!faults_ || ::ioctl(faults_.get(), UFFDIO_API, &api) != 0) {
            faults_.reset();
            return;
        }
        page_ = ::mmap(nullptr, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CPPUNIT_ASSERT(page_ != MAP_FAILED);
        uffdio_register all{};
        all.range = {reinterpret_cast<std::uintptr_t>(page_), SIZE};
        all.mode = UFFDIO_REGISTER_MODE_MISSING;
        CPPUNIT_ASSERT_EQUAL(0, ::ioctl(faults_.get(), UFFDIO_REGISTER, &all));
        thread_ = std::thread([call = std::move(call), this] { call(static_cast<char *>(page_)); });
        // The fault: from now on the call waits.
        uffd_msg message{};
        while (::read(faults_.get(), &message, sizeof message) != sizeof message) {
            std::this_thread::yield();
        }
    }
    ~HeldMemory() {
        faults_.reset();
        if (thread_.joinable()) {
            thread_.join();
            ::munmap(page_, SIZE);
        }
    }
    HeldMemory(const HeldMemory &) = delete;
    HeldMemory &operator=(const HeldMemory &) = delete;

    bool holds() const noexcept { return thread_.joinable(); }

private:
    FileDescriptor faults_;
    void *page_ = nullptr;
    std::thread thread_;
};

}  // namespace Passenger

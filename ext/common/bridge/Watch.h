#pragma once

#include <cstdint>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/** What an event loop watches of one descriptor. */
class Watch {
public:
    /** @param key the data of the events */
    Watch(const FileDescriptor &epoll, std::uint64_t key) noexcept : epoll_(&epoll), key_(key) {}

    /**
     * @param events EPOLLIN, ...; 0: none, no hang-up either
     * @return false, with errno: the kernel watches no more descriptors
     */
    bool set(int descriptor, std::uint32_t events) noexcept;
    /** The descriptor was closed, and no other process has it. */
    void forget() noexcept { events_ = 0; }
    bool isOn() const noexcept { return events_ != 0; }

private:
    const FileDescriptor *epoll_;
    std::uint64_t key_;
    std::uint32_t events_ = 0;
};

}  // namespace Passenger::Bridge

#include "bridge/Watch.h"

#include <sys/epoll.h>

#include <utility>

namespace Passenger::Bridge {

bool Watch::set(int descriptor, std::uint32_t events) noexcept {
    const std::uint32_t before = std::exchange(events_, events);
    if (before == events) {
        return true;
    }
    const int operation = before == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    epoll_event event{events, {.u64 = key_}};
    if (epoll_ctl(epoll_->get(), operation, descriptor, &event) == 0) {
        return true;
    }
    events_ = before;
    return false;
}

}  // namespace Passenger::Bridge

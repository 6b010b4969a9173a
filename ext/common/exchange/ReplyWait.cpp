#include "exchange/ReplyWait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/Exceptions.h"

namespace Passenger {

using std::chrono::milliseconds;

namespace {

/** The interval of questions to a client without a socket. */
constexpr milliseconds ASK_INTERVAL{250};

}  // namespace

int pollChannel(std::span<pollfd> entries, milliseconds time) {
    const int ready = ::poll(entries.data(), entries.size(), static_cast<int>(time.count()));
    if (ready < 0 && errno != EINTR) {
        throw SystemException("poll() on a reply channel", errno);
    }
    return ready;
}

ReplyWait::Found ReplyWait::poll(const Sources &sources, milliseconds time) const {
    if (client_.hasLeft != nullptr) {
        time = std::min(time, ASK_INTERVAL);
    }
    const int channelEvents = sources.room ? POLLIN | POLLOUT : POLLIN;
    pollfd entries[3] = {{sources.channel, static_cast<short>(channelEvents), 0},
                         {client_.socket, static_cast<short>(closely_ ? POLLRDHUP : 0), 0},
                         {sources.agentLife, 0, 0}};
    const int ready = pollChannel(entries, time);
    Found found;
    found.timeUp = ready == 0;
    if (ready > 0) {
        found.message = (entries[0].revents & ~POLLOUT) != 0;
        found.room = (entries[0].revents & POLLOUT) != 0;
        found.clientLeft = entries[1].revents != 0;
        found.agentDied = entries[2].revents != 0;
    }
    return found;
}

}  // namespace Passenger

#include "bridge/Handover.h"

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

Handover::Handover(const Serve &serve, Frame &frame)
    : queue(frame.takeDescriptor(0)),
      memory(frame.takeDescriptor(1), frame.takeDescriptor(2)),
      firstCell(static_cast<std::uint32_t>(serve.cell)),
      threads(static_cast<std::uint32_t>(serve.threads)),
      stickyId(serve.stickyId),
      paused(serve.paused) {
    if (serve.threads == 0 || serve.cell + serve.threads > ClaimsLayout::CELLS) {
        throw ProtocolException(
            fmt::format("the agent's SERVE names {} threads from cell {} on", serve.threads, serve.cell));
    }
    if (stickyId != 0) {
        own = frame.takeDescriptor(3);
    }
}

}  // namespace Passenger::Bridge

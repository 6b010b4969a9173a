#include "bridge/Handover.h"

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

Handover::Handover(Frame &serve)
    : queue(serve.takeDescriptor(0)),
      memory(serve.takeDescriptor(1), serve.takeDescriptor(2)),
      firstCell(static_cast<std::uint32_t>(serve.number(0))),
      threads(static_cast<std::uint32_t>(serve.number(1))),
      stickyId(serve.fields.size() > 4 ? static_cast<std::uint32_t>(serve.number(4)) : 0),
      paused(serve.fields.size() > 7 && serve.number(7) != 0) {
    if (serve.number(1) == 0 || serve.number(0) + serve.number(1) > ClaimsLayout::CELLS) {
        throw ProtocolException(
            fmt::format("the agent's SERVE names {} threads from cell {} on", serve.field(1), serve.field(0)));
    }
    if (stickyId != 0) {
        own = serve.takeDescriptor(3);
    }
}

}  // namespace Passenger::Bridge

#include "io/Serve.h"

namespace Passenger {

Serve Serve::of(const Frame &frame) {
    return {.cell = frame.number(0),
            .threads = frame.number(1),
            .app = frame.field(2),
            .maxRequests = frame.number(3),
            .stickyId = static_cast<std::uint32_t>(frame.number(4)),
            .reforkAfter = frame.number(5),
            .heartbeatInterval = std::chrono::milliseconds(frame.number(6)),
            .paused = frame.number(7) != 0,
            .warmsUp = frame.number(8) != 0};
}

Frame Serve::toFrame() const {
    return Frame::of(FrameType::SERVE, cell, threads, app, maxRequests, stickyId, reforkAfter,
                     heartbeatInterval.count(), paused, warmsUp);
}

}  // namespace Passenger

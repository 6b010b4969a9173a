#include "exchange/Reply.h"

#include <utility>

namespace Passenger {

namespace {

std::string toText(std::chrono::milliseconds time) {
    const auto count = time.count();
    return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace

Reply Reply::broken(std::string text) {
    Reply reply{Kind::BROKEN};
    reply.text = std::move(text);
    return reply;
}

Reply Reply::refused(std::uint16_t status, std::string reportId, std::string text) {
    Reply reply{Kind::REFUSED};
    reply.status = status;
    reply.reportId = std::move(reportId);
    reply.text = std::move(text);
    return reply;
}

Reply Reply::waitedTooLong(std::chrono::milliseconds limit) {
    if (limit > std::chrono::milliseconds(0)) {
        return refused(
            504, "",
            "no instance began the request within " + toText(limit) + ", the limit of PassengerMaxRequestQueueTime");
    }
    return refused(503, "", "no instance began the request before the server process had to end");
}

Reply Reply::workedTooLong(std::chrono::milliseconds limit) {
    Reply reply{Kind::TIMED_OUT};
    reply.text =
        "the application worked on the request for " + toText(limit) + ", the limit of PassengerMaxRequestTime";
    return reply;
}

}  // namespace Passenger

#include "exchange/ExchangeEvent.h"

#include <utility>

namespace Passenger {

namespace {

std::string toText(std::chrono::milliseconds time) {
    const auto count = time.count();
    return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace

ExchangeEvent ExchangeEvent::broken(std::string text) {
    ExchangeEvent event{Kind::BROKEN};
    event.text = std::move(text);
    return event;
}

ExchangeEvent ExchangeEvent::refused(std::uint16_t status, std::string reportId, std::string text) {
    ExchangeEvent event{Kind::REFUSED};
    event.status = status;
    event.reportId = std::move(reportId);
    event.text = std::move(text);
    return event;
}

ExchangeEvent ExchangeEvent::waitedTooLong(std::chrono::milliseconds limit) {
    if (limit > std::chrono::milliseconds(0)) {
        return refused(
            504, "",
            "no instance began the request within " + toText(limit) + ", the limit of PassengerMaxRequestQueueTime");
    }
    return refused(503, "", "no instance began the request before the server process had to end");
}

ExchangeEvent ExchangeEvent::workedTooLong(std::chrono::milliseconds limit) {
    ExchangeEvent event{Kind::TIMED_OUT};
    event.text =
        "the application worked on the request for " + toText(limit) + ", the limit of PassengerMaxRequestTime";
    return event;
}

}  // namespace Passenger

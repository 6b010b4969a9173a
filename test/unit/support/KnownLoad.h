#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "exchange/Admission.h"

namespace Passenger {

/** What is known of an application when a request comes, as plain data. */
struct KnownLoad {
    unsigned inFlight = 0;
    unsigned capacity = 0;
    unsigned ofKey = 0;
    std::uint64_t answers = 0;
    std::chrono::microseconds service{0};
    HttpdThreads httpd{};
    unsigned atWork = 0;
    bool serves = false;
    bool paused = false;
    unsigned high = 0;

    std::optional<Admission::Refusal> refusal(const Options &options, QueueDelay &delay, MonotonicTime now) const {
        class Known final : public Admission::Figures {
        public:
            explicit Known(const KnownLoad &load) : load_(load) {}
            unsigned atWork() const override { return load_.atWork; }
            unsigned ofKey() const override { return load_.ofKey; }
            unsigned high() const override { return load_.high; }
            Answers answers() const override { return {load_.answers, load_.service}; }

        private:
            const KnownLoad &load_;
        };
        return Admission(options, {inFlight, capacity, httpd, serves, paused}, Known(*this), delay, now).refusal();
    }
};

}  // namespace Passenger

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "exchange/Exchange.h"
#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** An Exchange, and the host that it has. */
class ExchangeFixture : public LeakCheck {
public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
        buffer_.resize(MAX_MESSAGE);
    }

    void tearDown() override {
        exchange_.reset();
        host_.reset();
        LeakCheck::tearDown();
    }

protected:
    using Kind = Reply::Kind;

    /** With the options that the host has at this moment. */
    void makeExchange() { exchange_ = std::make_unique<Exchange>(host_, host_->options); }
    void start(const MessageRequest &request = {}, std::uint8_t flags = 0) { exchange_->start(request, flags); }
    Exchange::Event receive(std::chrono::milliseconds timeout = std::chrono::seconds(60),
                            const MessageRequest::Client &client = -1) {
        return exchange_->receive(buffer_, client, timeout);
    }

    std::shared_ptr<FakeHost> host_;
    std::unique_ptr<Exchange> exchange_;
    std::vector<char> buffer_;
};

}  // namespace Passenger

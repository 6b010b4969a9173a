#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "exchange/Exchange.h"
#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** This process stands still for a while, as with its container, while an instance works. */
class ExchangePauseTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ExchangePauseTest);
    CPPUNIT_TEST(testAPauseIsNoTimeAtWork);
    CPPUNIT_TEST(testAPauseBeforeTheFirstLookIsNoTimeAtWork);
    CPPUNIT_TEST_SUITE_END();

    using Kind = Reply::Kind;

    /** A client that has left at the second question. After the first one this process stands
     *  still. */
    struct Pausing {
        FakeHost &host;
        /** The instance answers at the end of the pause. */
        bool answers = false;
        bool paused = false;

        static bool hasLeft(const void *of) noexcept {
            auto &self = *static_cast<Pausing *>(const_cast<void *>(of));
            if (std::exchange(self.paused, true)) {
                return true;
            }
            self.host.advance(10min);
            if (self.answers) {
                self.host.send(MessageType::RESPONSE, 1, "", "some", false);
            }
            return false;
        }
    };

    std::shared_ptr<FakeHost> host_;
    std::unique_ptr<Exchange> exchange_;
    std::vector<char> buffer_;

    Exchange::Event receive(const MessageRequest::Client &client, std::chrono::milliseconds timeout = -1ms) {
        return exchange_->receive(buffer_, client, timeout);
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
        host_->options.maxRequestTime = 60s;
        buffer_.resize(MAX_MESSAGE);
        exchange_ = std::make_unique<Exchange>(host_, host_->options);
        exchange_->start({}, 0);
        host_->claim(host_->take());
    }

    void tearDown() override {
        exchange_.reset();
        host_.reset();
        LeakCheck::tearDown();
    }

    void testAPauseIsNoTimeAtWork() {
        host_->send(MessageType::INTERIM, 1, "", "", false, 100);
        CPPUNIT_ASSERT(!receive(-1).end);
        Pausing pausing{*host_};
        CPPUNIT_ASSERT(receive({&Pausing::hasLeft, &pausing}).endsWith(Kind::CLIENT_LEFT));
        CPPUNIT_ASSERT(host_->overrun.empty());
    }

    /** The answer says that the instance has begun before. */
    void testAPauseBeforeTheFirstLookIsNoTimeAtWork() {
        Pausing pausing{*host_, true};
        CPPUNIT_ASSERT(!receive({&Pausing::hasLeft, &pausing}).end);
        receive(-1, 1ms);
        CPPUNIT_ASSERT(host_->overrun.empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangePauseTest);

}  // namespace Passenger

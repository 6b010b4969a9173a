#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <utility>

#include "exchange/Exchange.h"
#include "support/ExchangeFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** This process stands still for a while, as with its container, while an instance works. */
class ExchangePauseTest : public ExchangeFixture {
    CPPUNIT_TEST_SUITE(ExchangePauseTest);
    CPPUNIT_TEST(testAPauseIsNoTimeAtWork);
    CPPUNIT_TEST(testAPauseBeforeTheFirstLookIsNoTimeAtWork);
    CPPUNIT_TEST_SUITE_END();

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

public:
    void setUp() override {
        ExchangeFixture::setUp();
        host_->options.maxRequestTime = 60s;
        makeExchange();
        start();
        host_->claim(host_->take());
    }

    void testAPauseIsNoTimeAtWork() {
        host_->send(MessageType::INTERIM, 1, "", "", false, 100);
        CPPUNIT_ASSERT(!receive(-1ms).end);
        Pausing pausing{*host_};
        CPPUNIT_ASSERT(receive(-1ms, {&Pausing::hasLeft, &pausing}).endsWith(Kind::CLIENT_LEFT));
        CPPUNIT_ASSERT(host_->overrun.empty());
    }

    /** The answer says that the instance has begun before. */
    void testAPauseBeforeTheFirstLookIsNoTimeAtWork() {
        Pausing pausing{*host_, true};
        CPPUNIT_ASSERT(!receive(-1ms, {&Pausing::hasLeft, &pausing}).end);
        receive(1ms);
        CPPUNIT_ASSERT(host_->overrun.empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangePauseTest);

}  // namespace Passenger

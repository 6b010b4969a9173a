#include "pool/Exchange.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "base/Mapping.h"
#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The look that an exchange takes by itself, while an instance writes. What is tested is a matter of nanoseconds, so many look at once. */
class ExchangeLookTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ExchangeLookTest);
    CPPUNIT_TEST(testARequestThatIsJustBeingClaimedIsNotLost);
    CPPUNIT_TEST(testInALineThatIsNeverEmptyARequestIsSentAgainThatOthersHaveOvertaken);
    CPPUNIT_TEST(testARequestWhoseTurnMayNotHaveComeKeepsItsPlace);
    CPPUNIT_TEST(testWhenTheAgentHasDiedARequestSoonNoticesThatItsLineIsClosed);
    CPPUNIT_TEST_SUITE_END();

    static constexpr int EXCHANGES = 50;

    /** An exchange whose claim comes and goes. */
    struct Candidate {
        std::shared_ptr<FakeHost> host = std::make_shared<FakeHost>();
        Exchange exchange{host};
        Mapping claims{host->claims().memory().descriptor(), ClaimsLayout::SIZE, Mapping::Access::READ_WRITE};
        ChannelId channel;

        void start() {
            exchange.start(Session::Request{}, 0);
            channel = ChannelId(host->take().header.channel);
        }
        void claim(std::uint64_t ticket) const {
            auto *cell = claims.at<ClaimCell>(ClaimsLayout::offset(0));
            __atomic_store_n(&cell->channel, channel.value(), __ATOMIC_SEQ_CST);
            __atomic_store_n(&cell->ticket, ticket, __ATOMIC_SEQ_CST);
        }
        /** It looks when time is up. */
        Exchange::Event::Kind receive() {
            std::vector<char> buffer(MAX_MESSAGE);
            return exchange.receive(buffer, -1, 50ms).kind;
        }
    };

    /** A request that a stopped instance has taken; another one waits. Meanwhile so many others have their answer. True: it was sent again. */
    static bool isSentAgainAfter(int answers) {
        const auto host = std::make_shared<FakeHost>();
        Exchange exchange(host);
        exchange.start(Session::Request{}, 0);
        const RequestHeader taken = host->take().header;
        const QueueLinkPtr line = host->link(Generation());
        CPPUNIT_ASSERT(RequestQueue::send(line->sending.get(), taken, "", "") == RequestQueue::Outcome::QUEUED);
        std::thread others([&] {
            std::this_thread::sleep_for(1500ms);  // It looks after each second.
            for (int i = 0; i < answers; i++) {
                line->memory->marks.completed(0, 1ms, 1ms);
            }
        });
        std::vector<char> buffer(MAX_MESSAGE);
        exchange.receive(buffer, -1, 2500ms);
        others.join();
        host->take();
        return host->hasRequest();
    }

public:
    void testInALineThatIsNeverEmptyARequestIsSentAgainThatOthersHaveOvertaken() {
        CPPUNIT_ASSERT(isSentAgainAfter(2));
    }

    void testARequestWhoseTurnMayNotHaveComeKeepsItsPlace() {
        CPPUNIT_ASSERT(!isSentAgainAfter(1));
    }

    void testWhenTheAgentHasDiedARequestSoonNoticesThatItsLineIsClosed() {
        const auto host = std::make_shared<FakeHost>();
        host->haveAgent();
        Exchange exchange(host);
        exchange.start(Session::Request{}, 0);
        host->killAgent();
        host->closeQueue();
        host->nextGeneration();
        std::vector<char> buffer(MAX_MESSAGE);
        exchange.receive(buffer, -1, 300ms);
        CPPUNIT_ASSERT(host->hasRequest());
    }

    void testARequestThatIsJustBeingClaimedIsNotLost() {
        std::vector<Candidate> candidates(EXCHANGES);
        std::vector<std::future<Exchange::Event::Kind>> ends;
        for (Candidate &candidate : candidates) {
            candidate.start();
            ends.push_back(std::async(std::launch::async, [&candidate] { return candidate.receive(); }));
        }
        std::atomic<bool> over{false};
        std::thread instances([&] {
            for (std::uint64_t ticket = 1; !over; ticket = 1 - ticket) {
                std::for_each(candidates.begin(), candidates.end(), [&](const Candidate &c) { c.claim(ticket); });
            }
        });
        int lost = 0;
        for (std::future<Exchange::Event::Kind> &end : ends) {
            lost += end.get() == Exchange::Event::Kind::LOST ? 1 : 0;
        }
        over = true;
        instances.join();
        CPPUNIT_ASSERT_EQUAL(0, lost);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeLookTest);

}  // namespace Passenger

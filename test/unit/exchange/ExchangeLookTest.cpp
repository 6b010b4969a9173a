#include "exchange/Exchange.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "shm/InFlightReader.h"
#include "shm/InFlightTable.h"
#include "shm/Mapping.h"
#include "support/Eventually.h"
#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The look that an exchange takes by itself, while an instance writes. What is tested is a matter
 *  of nanoseconds, so many look at once. */
class ExchangeLookTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ExchangeLookTest);
    CPPUNIT_TEST(testARequestThatIsJustBeingClaimedIsNotLost);
    CPPUNIT_TEST(testARequestOfADeadInstanceIsWithdrawnBeforeItIsLost);
    CPPUNIT_TEST(testAnOvertakenRequestIsSentAgainThoughTheQueueIsNeverEmpty);
    CPPUNIT_TEST(testARequestWhoseTurnMayNotHaveComeKeepsItsPlace);
    CPPUNIT_TEST(testARequestSoonNoticesThatItsQueueIsClosedAfterTheAgentDied);
    CPPUNIT_TEST_SUITE_END();

    static constexpr int EXCHANGES = 50;

    /** An exchange whose claim comes and goes. */
    struct Candidate {
        std::shared_ptr<FakeHost> host = std::make_shared<FakeHost>();
        Exchange exchange{host, host->options};
        Mapping claims{host->claims().memory().descriptor(), ClaimsLayout::SIZE, Mapping::Access::READ_WRITE};
        ChannelId channel;

        void start() {
            exchange.start(MessageRequest{}, 0);
            channel = ChannelId(host->take().header.channel);
        }
        /** @param died ClaimsLayout::DIED: as of an instance that has died */
        void claim(std::uint64_t ticket, std::uint64_t died = 0) const {
            auto *cell = claims.at<ClaimCell>(ClaimsLayout::offset(0));
            __atomic_store_n(&cell->channel, channel.value() | died, __ATOMIC_SEQ_CST);
            __atomic_store_n(&cell->ticket, ticket, __ATOMIC_SEQ_CST);
        }
        /** The exchange looks once: the host's clock goes on by 10 ms each time that it is read. */
        bool findsItselfLost() {
            std::vector<char> buffer(MAX_MESSAGE);
            return exchange.receive(buffer, -1, 30ms).endsWith(Reply::Kind::LOST);
        }
    };

    /** A request that a stopped instance has taken, while another one waits. */
    struct Taken {
        std::shared_ptr<FakeHost> host = std::make_shared<FakeHost>();
        Exchange exchange{host, host->options};
        QueueLinkPtr line;

        Taken() {
            exchange.start(MessageRequest{}, 0);
            const RequestHeader taken = host->take().header;
            line = host->link(host->options, Generation());
            CPPUNIT_ASSERT(RequestQueue::send(line->sending.get(), taken, "", "") == RequestQueue::Outcome::QUEUED);
        }
        /** So many others have their answer. */
        void answerOthers(int count) const {
            for (int i = 0; i < count; i++) {
                line->memory->senders.completed(0, 1ms, 1ms);
            }
        }
        /** Under which it was sent last. */
        std::uint64_t ticket() const {
            const InFlightReader inFlightTable(host->inFlightTable().memory().descriptor().duplicate());
            std::vector<InFlightEntry> shown;
            // It is not there for a moment when it is sent again.
            eventually([&] { return !(shown = inFlightTable.inFlight(FakeHost::SLOT)).empty(); });
            return shown.at(0).ticket;
        }
        /** Waits for its answer, which comes after `others`. @return under which ticket it was sent
         *  then */
        template <typename Others> std::uint64_t answeredAfter(Others others) {
            auto instance = std::async(std::launch::async, [&] {
                others();
                const std::uint64_t last = ticket();
                host->send(MessageType::RESPONSE, last, "", "hello", true);
                return last;
            });
            std::vector<char> buffer(MAX_MESSAGE);
            CPPUNIT_ASSERT(!exchange.receive(buffer, -1, 60s).end);
            return instance.get();
        }
    };

    /** How long a request takes to notice that its agent has died, and that its line is closed
     *  therefore. */
    static std::chrono::steady_clock::duration timeToNotice() {
        const auto host = std::make_shared<FakeHost>();
        host->haveAgent();
        Exchange exchange(host, host->options);
        exchange.start(MessageRequest{}, 0);
        host->killAgent();
        host->closeQueue();
        host->nextGeneration();
        const auto begin = std::chrono::steady_clock::now();
        auto instance = std::async(std::launch::async, [&] { return host->serveNext(); });
        std::vector<char> buffer(MAX_MESSAGE);
        CPPUNIT_ASSERT(!exchange.receive(buffer, -1, 60s).end);
        CPPUNIT_ASSERT(instance.get() > 1);
        return std::chrono::steady_clock::now() - begin;
    }

public:
    /** The cell may have changed while it was read: then the request is still in the queue. */
    void testARequestOfADeadInstanceIsWithdrawnBeforeItIsLost() {
        Candidate candidate;
        candidate.start();
        candidate.claim(1, ClaimsLayout::DIED);
        CPPUNIT_ASSERT(candidate.findsItselfLost());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, candidate.host->mark());
    }

    void testAnOvertakenRequestIsSentAgainThoughTheQueueIsNeverEmpty() {
        Taken request;
        const std::uint64_t ticket = request.answeredAfter([&] {
            // It looks after each second, and counts from its first look on. Once more where that
            // was late.
            for (int tries = 0; tries < 20 && request.ticket() == 1; tries++) {
                std::this_thread::sleep_for(1500ms);
                request.answerOthers(2);
                eventually([&] { return request.ticket() > 1; }, 1100ms);
            }
        });
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, ticket);
    }

    void testARequestWhoseTurnMayNotHaveComeKeepsItsPlace() {
        Taken request;
        const std::uint64_t ticket = request.answeredAfter([&] {
            std::this_thread::sleep_for(1500ms);
            request.answerOthers(1);
            std::this_thread::sleep_for(1000ms);
        });
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, ticket);
    }

    void testARequestSoonNoticesThatItsQueueIsClosedAfterTheAgentDied() {
        // By itself it looks each second. The machine may be busy with something else now and then.
        CPPUNIT_ASSERT(eventually([] { return timeToNotice() < 500ms; }));
    }

    void testARequestThatIsJustBeingClaimedIsNotLost() {
        std::vector<Candidate> candidates(EXCHANGES);
        std::vector<std::future<bool>> ends;
        for (Candidate &candidate : candidates) {
            candidate.start();
            ends.push_back(std::async(std::launch::async, [&candidate] { return candidate.findsItselfLost(); }));
        }
        std::atomic<bool> over{false};
        std::thread instances([&] {
            for (std::uint64_t ticket = 1; !over; ticket = 1 - ticket) {
                std::for_each(candidates.begin(), candidates.end(), [&](const Candidate &c) { c.claim(ticket); });
            }
        });
        int lost = 0;
        for (std::future<bool> &end : ends) {
            lost += end.get() ? 1 : 0;
        }
        over = true;
        instances.join();
        CPPUNIT_ASSERT_EQUAL(0, lost);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeLookTest);

}  // namespace Passenger

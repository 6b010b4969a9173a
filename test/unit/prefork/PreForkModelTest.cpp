#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "prefork/PreFork.h"
#include "support/PreForkFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A day of a monitor whose workers behave at random. */
class PreForkModelTest : public PreForkFixture {
    CPPUNIT_TEST_SUITE(PreForkModelTest);
    CPPUNIT_TEST(testNoWorkerIsLeftAfterARandomDayAndAShutdown);
    CPPUNIT_TEST_SUITE_END();

    std::mt19937 random_{4711};

    bool chance(unsigned inAThousand) { return std::uniform_int_distribution<unsigned>(0, 999)(random_) < inAThousand; }
    std::chrono::milliseconds upTo(std::chrono::milliseconds most) {
        return std::chrono::milliseconds(
            std::uniform_int_distribution<std::chrono::milliseconds::rep>(0, most.count())(random_));
    }

    /** Whether it still lives. */
    void behave(WorkerId id) {
        if (launcher_->told(id, SIGKILL) || (launcher_->told(id, SIGINT) && chance(700))) {
            die(id, SIGKILL);
        } else if (chance(1)) {
            die(id, chance(500) ? SIGSEGV : 0);
        } else if (chance(1)) {
            preFork_->listener().workerMute(id);
        } else if (chance(2)) {
            silent_[id] = true;
        } else if (!silent_.contains(id)) {
            say(id, COMM_ACK);
            if (chance(300)) {
                say(id, chance(500) ? COMM_BUSY : COMM_NOT_BUSY);
            }
        }
    }

    void checkInvariants() {
        const auto free = preFork_->freeServers();
        const auto busy = preFork_->busyServers();
        const auto ids = preFork_->idToPid();
        CPPUNIT_ASSERT_EQUAL(ids.size(), free.size() + busy.size());
        // Nobody is lost, and nobody is there twice.
        CPPUNIT_ASSERT_EQUAL(launcher_->processes.size(), ids.size() + preFork_->endingServers());
        for (const auto &[id, process] : launcher_->processes) {
            CPPUNIT_ASSERT(process.held);
            // Once more, where it had not heard of it while it started.
            CPPUNIT_ASSERT(std::count(process.signals.begin(), process.signals.end(), SIGINT) <= 2);
            CPPUNIT_ASSERT(ids.contains(id) != launcher_->told(id, SIGINT));
        }
        const SpareLimits &limits = preFork_->limits();
        bound_ = std::max<std::size_t>(limits.maxClients + (preFork_->restarting() ? 1 : 0), std::min(bound_, last_));
        CPPUNIT_ASSERT(ids.size() <= bound_);
        last_ = ids.size();
        const auto alarm = preFork_->nextAlarm();
        CPPUNIT_ASSERT(!alarm || *alarm > clock_.now() - 1ns);
    }

    std::map<WorkerId, bool> silent_;
    /**
     * The bound of the number of workers, and the last number. The bound is max_clients. After
     * max_clients was lowered, it is the last number until that is below max_clients.
     */
    std::size_t bound_ = 0;
    std::size_t last_ = 0;

    void changeLimits() {
        last_ = preFork_->idToPid().size();
        bound_ = std::max(bound_, last_);
        preFork_->setLimits({4, 1 + static_cast<unsigned>(random_() % 4), 1 + static_cast<unsigned>(random_() % 6),
                             4 + static_cast<unsigned>(random_() % 12)});
    }

public:
    void testNoWorkerIsLeftAfterARandomDayAndAShutdown() {
        settings_.timeout = 30s;
        settings_.shutdownOnError = false;
        settings_.limits = {4, 2, 4, 12};
        begin();
        const auto end = clock_.now() + 24h;
        while (clock_.now() < end) {
            pass(1s + upTo(9s));
            std::vector<WorkerId> ids;
            for (const auto &[id, process] : launcher_->processes) {
                ids.push_back(id);
            }
            for (const WorkerId id : ids) {
                behave(id);
            }
            if (chance(2)) {
                changeLimits();
            }
            if (chance(launcher_->error == 0 ? 2 : 100)) {
                launcher_->error = launcher_->error == 0 ? EAGAIN : 0;
            }
            if (chance(2)) {
                preFork_->restartServers();
            }
            checkInvariants();
        }
        CPPUNIT_ASSERT(launcher_->launches > 1000);
        preFork_->shutdown();
        pass(settings_.grace);
        obey(SIGINT);
        CPPUNIT_ASSERT_EQUAL(std::string(), preFork_->waitForEnd());
        CPPUNIT_ASSERT(launcher_->processes.empty());
        CPPUNIT_ASSERT(preFork_->idToPid().empty());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, preFork_->endingServers());
        CPPUNIT_ASSERT(!preFork_->nextAlarm());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreForkModelTest);

}  // namespace Passenger

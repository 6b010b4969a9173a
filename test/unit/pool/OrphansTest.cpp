#include "pool/Orphans.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "io/SocketPair.h"
#include "restart/RestartFiles.h"
#include "shm/Claims.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/LeftProcess.h"
#include "support/ManualClock.h"
#include "support/NoDescriptors.h"

namespace Passenger {

using namespace std::chrono_literals;

namespace {

/** Notes what is removed. */
class RemovedKeys final : public DescriptorStore {
public:
    void put(const std::string &key, const std::string &note, const std::vector<int> &) override {
        const LockGuard guard(mutex_);
        notes_[key] = note;
    }
    void remove(const std::string &key) override {
        const LockGuard guard(mutex_);
        removed_.push_back(key);
    }
    std::string note(const std::string &key) {
        const LockGuard guard(mutex_);
        return notes_[key];
    }
    std::vector<std::string> all() {
        const LockGuard guard(mutex_);
        return removed_;
    }

private:
    Mutex mutex_{Locks::WAITER};
    std::vector<std::string> removed_ GUARDED_BY(mutex_);
    std::map<std::string, std::string> notes_ GUARDED_BY(mutex_);
};

}  // namespace

class OrphansTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(OrphansTest);
    CPPUNIT_TEST(testANoteIsReadAsItWasWritten);
    CPPUNIT_TEST(testMalformedNotesAreRefused);
    CPPUNIT_TEST(testOneThatServesWaitsAndIsTakenOnce);
    CPPUNIT_TEST(testOneThatDoesNotServeIsToldToEnd);
    CPPUNIT_TEST(testTheNextPoolProcessLearnsThatOneWasToldToEnd);
    CPPUNIT_TEST(testARestartIsNotedForThoseThatWait);
    CPPUNIT_TEST(testOneThatIsGivenBackIsToldToEnd);
    CPPUNIT_TEST(testOneThatIsGivenBackWithoutAFreeDescriptorIsLookedAfter);
    CPPUNIT_TEST(testOneWhoseOutputCannotBeReadIsToldToEnd);
    CPPUNIT_TEST(testTheClaimsOfOneThatEndedSayThatItDied);
    CPPUNIT_TEST(testTheLimitEndsThoseThatWait);
    CPPUNIT_TEST(testOneWhoseTakeOverDoesNotBeginWaitsAgain);
    CPPUNIT_TEST(testThoseThatNobodyTakesAreToldToEndAfterAWhile);
    CPPUNIT_TEST(testOneThatDoesNotFinishInTimeIsKilled);
    CPPUNIT_TEST(testQueuesAreClosedAndMalformedEntriesRemoved);
    CPPUNIT_TEST_SUITE_END();

    /** A fixture exists from the program's start on, and must have no thread then. */
    std::optional<EventLoop> loop_;
    RemovedKeys store_;
    ManualClock clock_;

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_.emplace();
    }
    void tearDown() override {
        loop_.reset();
        LeakCheck::tearDown();
    }

    void testANoteIsReadAsItWasWritten() {
        InstanceNote note;
        note.pid = 4711;
        note.threads = 3;
        note.stickyId = 4294967295U;
        note.heartbeatTimeout = 30s;
        note.stopTimeout = 12s;
        note.hasDescendants = true;
        note.isAsgi = true;
        note.serves = true;
        note.restartFile = "1700000000.5";
        note.group = "app-u1-p2-3";
        note.cells = {{0, 3}, {7, 3}};
        note.app = " /srv/an app (production)\nwith a line ";
        const InstanceNote read = InstanceNote::parse(note.toText());
        CPPUNIT_ASSERT_EQUAL(note.toText(), read.toText());
        CPPUNIT_ASSERT_EQUAL(note.app, read.app);
        CPPUNIT_ASSERT_EQUAL(note.group, read.group);
        CPPUNIT_ASSERT(note.stopTimeout == read.stopTimeout);
        CPPUNIT_ASSERT(read.isAsgi);
        note.group.clear();
        CPPUNIT_ASSERT_EQUAL(std::string(), InstanceNote::parse(note.toText()).group);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, read.cells.size());
        CPPUNIT_ASSERT_EQUAL(7U, read.cells[1].first);
    }

    void testMalformedNotesAreRefused() {
        for (const char *text : {"", "x", "4711", "4711 1 0 0 5 0 0 1 - - 0 app", "4711 1 0 0 5 0 0 1 - - 1 0 1",
                                 "4711 1 0 0 5 0 0 1 - - 1 65536 1 app", "4711 1 0 0 5 0 0 1 - - 1 5 4294967295 app",
                                 "1 1 0 0 5 0 0 1 - - 1 0 1 app", "-5 1 0 0 5 0 0 1 - - 1 0 1 app",
                                 "4711 1 0 0 5 0 0 1 - - 4000000000 0 1 app"}) {
            CPPUNIT_ASSERT_THROW_MESSAGE(text, InstanceNote::parse(text), ProtocolException);
        }
    }

    void testOneThatServesWaitsAndIsTakenOnce() {
        Orphans orphans(*loop_, clock_, store_, {});
        const LeftProcess left("one");
        left.restoreIn(orphans);
        CPPUNIT_ASSERT_EQUAL(1U, orphans.waiting("one"));
        CPPUNIT_ASSERT_EQUAL(0U, orphans.waiting("other"));
        CPPUNIT_ASSERT(orphans.inspect().at(0).user == ::getuid());
        CPPUNIT_ASSERT_EQUAL(std::string("12.34"), orphans.restartFile("one", true).value());
        CPPUNIT_ASSERT(!orphans.restartFile("other", true));
        CPPUNIT_ASSERT_EQUAL(std::string(), orphans.reserve("other"));
        CPPUNIT_ASSERT_EQUAL(left.key(), orphans.reserve("one"));
        CPPUNIT_ASSERT_EQUAL(0U, orphans.waiting("one"));
        CPPUNIT_ASSERT_EQUAL(std::string(), orphans.reserve("one"));
        const std::optional<Orphan> taken = orphans.take(left.key());
        CPPUNIT_ASSERT(taken);
        CPPUNIT_ASSERT_EQUAL(left.pid, taken->left.pid);
        CPPUNIT_ASSERT(!orphans.take(left.key()));
        CPPUNIT_ASSERT(!left.toldToEnd());
        CPPUNIT_ASSERT(store_.all().empty());
    }

    void testOneThatDoesNotServeIsToldToEnd() {
        Orphans orphans(*loop_, clock_, store_, {});
        const LeftProcess left("one", false);
        left.restoreIn(orphans);
        CPPUNIT_ASSERT_EQUAL(0U, orphans.waiting("one"));
        CPPUNIT_ASSERT(left.toldToEnd());
    }

    void testARestartIsNotedForThoseThatWait() {
        Orphans orphans(*loop_, clock_, store_, {});
        const LeftProcess left("one");
        left.restoreIn(orphans);
        CPPUNIT_ASSERT(!orphans.askRestart("other"));
        CPPUNIT_ASSERT(orphans.askRestart("one"));
        CPPUNIT_ASSERT(!left.toldToEnd());
        const InstanceNote note = InstanceNote::parse(store_.note(left.key()));
        CPPUNIT_ASSERT(note.serves);
        CPPUNIT_ASSERT_EQUAL(std::string(RestartFiles::ASKED), note.restartFile);
        CPPUNIT_ASSERT_EQUAL(note.restartFile, orphans.restartFile("one", true).value());
        CPPUNIT_ASSERT_MESSAGE("Requests are to wait for the new version", !orphans.restartFile("one", false));
        CPPUNIT_ASSERT(left.toldToEnd());
    }

    void testTheNextPoolProcessLearnsThatOneWasToldToEnd() {
        Orphans orphans(*loop_, clock_, store_, {});
        const LeftProcess left("one");
        left.restoreIn(orphans);
        CPPUNIT_ASSERT(orphans.end("one"));
        CPPUNIT_ASSERT(!orphans.end("one"));
        CPPUNIT_ASSERT(left.toldToEnd());
        const InstanceNote note = InstanceNote::parse(store_.note(left.key()));
        CPPUNIT_ASSERT(!note.serves);
        CPPUNIT_ASSERT_EQUAL(4U, note.cells.at(0).first);
    }

    void testOneThatIsGivenBackIsToldToEnd() {
        Orphans orphans(*loop_, clock_, store_, {});
        LeftProcess left("one");
        const std::string key = left.key();
        left.restoreIn(orphans);
        orphans.giveBack(std::move(*orphans.take(key)), false);
        CPPUNIT_ASSERT(left.toldToEnd());
        CPPUNIT_ASSERT_EQUAL(std::string(), orphans.reserve("one"));
        left.end();
        CPPUNIT_ASSERT(eventually([&] { return store_.all() == std::vector<std::string>{key}; }));
    }

    void testOneThatIsGivenBackWithoutAFreeDescriptorIsLookedAfter() {
        Orphans orphans(*loop_, clock_, store_, {});
        LeftProcess left("one");
        const std::string key = left.key();
        left.restoreIn(orphans);
        std::optional<Orphan> taken = orphans.take(key);
        {
            const NoDescriptors none;
            orphans.giveBack(std::move(*taken), false);
        }
        CPPUNIT_ASSERT(left.toldToEnd());
        left.end();
        CPPUNIT_ASSERT(eventually([&] { return store_.all() == std::vector<std::string>{key}; }));
    }

    void testOneWhoseOutputCannotBeReadIsToldToEnd() {
        struct WithoutFreeDescriptor {
            Orphans &orphans;
            void restore(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors) {
                const NoDescriptors none;
                orphans.restore(key, note, std::move(descriptors));
            }
        };
        Orphans orphans(*loop_, clock_, store_, {});
        const LeftProcess left("one");
        WithoutFreeDescriptor shortage{orphans};
        left.restoreIn(shortage);
        CPPUNIT_ASSERT_EQUAL(0U, orphans.waiting("one"));
        CPPUNIT_ASSERT(left.toldToEnd());
    }

    void testTheClaimsOfOneThatEndedSayThatItDied() {
        Orphans orphans(*loop_, clock_, store_, {});
        LeftProcess left("one");
        left.restoreIn(orphans);
        left.claim(3);
        left.claim(5);
        left.end();
        CPPUNIT_ASSERT(eventually([&] { return !store_.all().empty(); }));
        CPPUNIT_ASSERT_EQUAL(0U, orphans.waiting("one"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{77}, left.claims.all()[3].channel);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{77} | ClaimsLayout::DIED, left.claims.all()[5].channel);
    }

    void testTheLimitEndsThoseThatWait() {
        Orphans orphans(*loop_, clock_, store_, {});
        const LeftProcess first("one");
        LeftProcess busy("busy");
        const LeftProcess last("other");
        busy.claim(4);
        for (const LeftProcess *each : {&first, &std::as_const(busy), &last}) {
            each->restoreIn(orphans);
        }
        orphans.limit(3);
        CPPUNIT_ASSERT(!first.toldToEnd() && !busy.toldToEnd() && !last.toldToEnd());
        orphans.limit(1);
        CPPUNIT_ASSERT_MESSAGE("Those without requests", first.toldToEnd() && !busy.toldToEnd() && last.toldToEnd());
        orphans.limit(0);
        CPPUNIT_ASSERT(busy.toldToEnd());
    }

    void testOneWhoseTakeOverDoesNotBeginWaitsAgain() {
        Orphans orphans(*loop_, clock_, store_, {});
        const LeftProcess left("one");
        left.restoreIn(orphans);
        const std::string key = orphans.reserve("one");
        CPPUNIT_ASSERT_EQUAL(0U, orphans.waiting("one"));
        orphans.release(key);
        CPPUNIT_ASSERT_EQUAL(1U, orphans.waiting("one"));
        orphans.limit(0);
        CPPUNIT_ASSERT(left.toldToEnd());
    }

    void testThoseThatNobodyTakesAreToldToEndAfterAWhile() {
        Orphans orphans(*loop_, clock_, store_, {});
        const LeftProcess left("one");
        left.restoreIn(orphans);
        orphans.wait(0ms);
        orphans.wait(1ms);
        clock_.advance(1ms);
        CPPUNIT_ASSERT(eventually([&] { return left.toldToEnd(); }));
    }

    void testOneThatDoesNotFinishInTimeIsKilled() {
        Orphans orphans(*loop_, clock_, store_, {});
        LeftProcess left("one", false);
        const LeftProcess other("other");
        left.claim(5);
        left.restoreIn(orphans);
        other.restoreIn(orphans);
        orphans.wait(1ms);
        // What it gives its requests, and PassengerStopTimeout.
        clock_.advance(90s + 10s);
        CPPUNIT_ASSERT(eventually([&] { return other.toldToEnd(); }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, orphans.inspect().size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{77}, left.claims.all()[5].channel);
        clock_.advance(1ms);
        CPPUNIT_ASSERT(eventually([&] { return store_.all() == std::vector<std::string>{left.key()}; }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{77} | ClaimsLayout::DIED | ClaimsLayout::KILLED,
                             left.claims.all()[5].channel);
    }

    void testQueuesAreClosedAndMalformedEntriesRemoved() {
        Orphans orphans(*loop_, clock_, store_, {});
        const auto sockets = makeStreamPair();
        std::vector<FileDescriptor> queue;
        const auto priority = makeStreamPair();
        // Children have copies.
        for (const FileDescriptor *end : {&sockets.first, &sockets.second, &priority.first}) {
            queue.push_back(end->duplicate());
        }
        orphans.restore("queue:0:1", "one", std::move(queue));
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::recv(sockets.second.get(), &byte, 1, MSG_DONTWAIT));
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::recv(priority.second.get(), &byte, 1, MSG_DONTWAIT));
        orphans.restore("instance:5", "5 0", {});
        orphans.restore("unknown", "", {});
        CPPUNIT_ASSERT((store_.all() == std::vector<std::string>{"queue:0:1", "instance:5", "unknown"}));
        const LeftProcess left("one");
        std::vector<FileDescriptor> descriptors;
        for (const FileDescriptor *each : {&left.output, &left.control, &left.output, &left.output}) {
            descriptors.push_back(each->duplicate());
        }
        orphans.restore(left.key(), "nonsense", std::move(descriptors));
        CPPUNIT_ASSERT(left.toldToEnd());
        CPPUNIT_ASSERT_EQUAL(left.key(), store_.all().back());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OrphansTest);

}  // namespace Passenger

// Pool: its end during any operation. Under ThreadSanitizer the tests together destroy 450 pools,
// else fewer. POOL_DESTRUCTIONS sets another number.

#include <cppunit/extensions/HelperMacros.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/SystemClock.h"
#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/PoolFixture.h"
#include "support/Sanitizer.h"
#include "support/TestThread.h"

namespace Passenger {

using namespace std::chrono_literals;

namespace {

constexpr unsigned TESTS = 9;
constexpr unsigned DESTRUCTIONS = THREAD_SANITIZED ? 450 : 180;

/** How many pools one test destroys. */
unsigned destructions() {
    const char *given = std::getenv("POOL_DESTRUCTIONS");
    const unsigned all = given != nullptr ? static_cast<unsigned>(std::stoul(given)) : DESTRUCTIONS;
    return (all + TESTS - 1) / TESTS;
}

/** Real processes that print without end; a pool gets them as instances. A process ends once its
 *  output is closed. */
class WritingInstances {
public:
    WritingInstances(EventLoop &loop, DummySpawnerFactory &factory) : loop_(loop) {
        factory.makeResult = [this](const Options &) { return make(); };
    }
    ~WritingInstances() {
        for (const pid_t pid : pids_) {
            ::waitpid(pid, nullptr, 0);
        }
        ProcessOutput::awaitReaders(60s);
    }

    unsigned lines() const { return lines_; }
    void killAll() {
        const std::lock_guard<std::mutex> guard(mutex_);
        for (const pid_t pid : pids_) {
            ::kill(pid, SIGKILL);
        }
    }

private:
    SpawnResult make() {
        DescriptorPair control = makeStreamPair();
        DescriptorPair output = makePipe();
        const pid_t pid = startYes(output.second);
        SpawnResult result;
        result.pid = pid;
        result.pidFd = openPidFd(pid);
        result.control = FrameSocket(std::move(control.first));
        result.output = std::make_shared<ProcessOutput>(loop_, std::move(output.first), 0,
                                                        [this](pid_t, const std::string &) { ++lines_; });
        result.output->setPid(pid);
        FrameSocket theirs(std::move(control.second));
        const std::lock_guard<std::mutex> guard(mutex_);
        if (pids_.size() % 3 != 0) {
            // In advance, to what it will be told. The others never answer.
            theirs.send(Frame(FrameType::READY), FrameSocket::in(60s));
        }
        pids_.push_back(pid);
        controls_.push_back(std::move(theirs));
        return result;
    }
    static pid_t startYes(const FileDescriptor &output) {
        char yes[] = "yes";
        char text[] = "The instance has something to say.";
        char *const command[] = {yes, text, nullptr};
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
        pid_t pid = 0;
        const int error = ::posix_spawnp(&pid, yes, &actions, nullptr, command, environ);
        ::posix_spawn_file_actions_destroy(&actions);
        CPPUNIT_ASSERT_EQUAL(0, error);
        return pid;
    }

    EventLoop &loop_;
    std::atomic<unsigned> lines_{0};
    std::mutex mutex_;
    std::vector<pid_t> pids_;
    std::vector<FrameSocket> controls_;
};

}  // namespace

class PoolDestructionTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolDestructionTest);
    CPPUNIT_TEST(testThePoolEndsWhileInstancesAreBeingStarted);
    CPPUNIT_TEST(testThePoolEndsWhileRequestsWait);
    CPPUNIT_TEST(testThePoolEndsWhileOtherThreadsWaitForAnAnswer);
    CPPUNIT_TEST(testThePoolEndsJustAfterSessionsEndedInOtherThreads);
    CPPUNIT_TEST(testThePoolEndsDuringARestart);
    CPPUNIT_TEST(testThePoolEndsWhileItsTimerFires);
    CPPUNIT_TEST(testThePoolEndsWhileInstancesWriteOutput);
    CPPUNIT_TEST(testThePoolEndsWhileInstancesBeginToServe);
    CPPUNIT_TEST(testThePoolEndsWhileInstancesDie);
    CPPUNIT_TEST_SUITE_END();

    std::mt19937 random_{1};
    std::vector<AnswerPtr> waiting_;
    std::list<TestThread> threads_;

    unsigned any(unsigned below) { return static_cast<unsigned>(random_() % below); }
    /** A moment, so that the end meets each step of what is under way. */
    void passAMoment() { std::this_thread::sleep_for(std::chrono::microseconds(any(500))); }
    void beginPool() {
        PoolSettings settings;
        settings.maxSize = 4;
        settings.idleTime = 1ms;
        makePool({*loop_, *factory_, *channels_, SystemClock::instance(), store_, cpu_}, settings);
    }
    /** Requests that wait when the pool's end comes are told. */
    void shutDown() {
        pool_->shutDown();
        for (const AnswerPtr &request : waiting_) {
            CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, request->failure().status);
        }
        for (TestThread &thread : threads_) {
            thread.join();
        }
        waiting_.clear();
        threads_.clear();
        endPool();
    }
    void repeat(const std::function<void()> &prepare) {
        for (unsigned i = 0; i < destructions(); i++) {
            beginPool();
            try {
                prepare();
            } catch (...) {
                factory_->release();
                shutDown();
                throw;
            }
            passAMoment();
            shutDown();
            factory_->release();
            CPPUNIT_ASSERT_EQUAL(0U, factory_->alive());
        }
    }
    /** None may outlive the pool. */
    void askAndLeave(const Options &options) { requests_->ask(options); }
    /** The whole exchange. @return what comes at the end */
    static Reply exchange(Pool &pool, const Options &options) {
        const MessageSessionPtr session = pool.get(options);
        if (auto refusal = session->start({})) {
            return std::move(*refusal);
        }
        std::vector<char> buffer(MessageSession::BUFFER_SIZE);
        return session->receive(buffer, -1, 60s);
    }
    static Options anApp(unsigned number) { return app("/srv/app" + std::to_string(number)); }
    Options anyApp() {
        Options options = anApp(any(3));
        options.minInstances = any(3);
        return options;
    }

public:
    void setUp() override {
        PoolFixture::setUp();
        endPool();
        factory_ = std::make_unique<DummySpawnerFactory>();
    }

    void testThePoolEndsWhileInstancesAreBeingStarted() {
        factory_->beforeSpawn = [](const Options &) { std::this_thread::sleep_for(100us); };
        repeat([&] {
            for (unsigned i = 0; i < 6; i++) {
                askAndLeave(anApp(i % 3));
            }
        });
    }

    void testThePoolEndsWhileRequestsWait() {
        repeat([&] {
            factory_->hold();
            for (unsigned i = 0; i < 12; i++) {
                waiting_.push_back(requests_->ask(anApp(i % 6)));
            }
        });
    }

    void testThePoolEndsWhileOtherThreadsWaitForAnAnswer() {
        constexpr unsigned THREADS = 3;
        repeat([&] {
            factory_->hold();
            Pool &pool = *pool_;
            for (unsigned i = 0; i < THREADS; i++) {
                threads_.emplace_back([&pool] {
                    const Reply reply = exchange(pool, app());
                    CPPUNIT_ASSERT(reply.kind == Reply::Kind::REFUSED && reply.status == 503);
                });
            }
            CPPUNIT_ASSERT(eventually([&] {
                const PoolSnapshot snapshot = pool_->inspect();
                return !snapshot.groups.empty() && snapshot.groups.front().queue.waiting == THREADS;
            }));
        });
    }

    void testThePoolEndsJustAfterSessionsEndedInOtherThreads() {
        constexpr unsigned THREADS = 3;
        repeat([&] {
            std::atomic<unsigned> ended{0};
            Pool &pool = *pool_;
            for (unsigned i = 0; i < THREADS; i++) {
                threads_.emplace_back([&pool, i, &ended] {
                    for (unsigned j = 0; j < 3; j++) {
                        CPPUNIT_ASSERT(exchange(pool, anApp(i % 2)).kind == Reply::Kind::RESPONSE);
                    }
                    ++ended;
                });
            }
            while (ended < THREADS) {
                std::this_thread::yield();
            }
        });
    }

    void testThePoolEndsDuringARestart() {
        factory_->beforeSpawn = [](const Options &) { std::this_thread::sleep_for(50us); };
        repeat([&] {
            Options options = app();
            options.minInstances = 2;
            options.rollingRestarts = any(2) == 0;
            options.maxInstances = any(3);
            exchange(*pool_, options);
            if (any(2) == 0) {
                factory_->hold();
            }
            askAndLeave(options);
            CPPUNIT_ASSERT(pool_->restart(options.groupName()));
            askAndLeave(options);
        });
    }

    void testThePoolEndsWhileItsTimerFires() {
        repeat([&] {
            factory_->hold();
            for (unsigned i = 0; i < 6; i++) {
                Options options = anApp(i);
                options.maxQueueTime = 1ms;
                askAndLeave(options);
            }
            std::this_thread::sleep_for(700us);
        });
    }

    void testThePoolEndsWhileInstancesWriteOutput() {
        WritingInstances instances(*loop_, *factory_);
        repeat([&] {
            const unsigned before = instances.lines();
            Options stays = anApp(0);
            stays.minInstances = 1;
            askAndLeave(stays);
            askAndLeave(anApp(1));
            CPPUNIT_ASSERT(eventually([&] { return instances.lines() > before; }));
            if (any(2) == 0) {
                pool_->clear();
            }
        });
    }

    void testThePoolEndsWhileInstancesBeginToServe() {
        WritingInstances instances(*loop_, *factory_);
        repeat([&] {
            pool_->attach(anyApp());
            pool_->attach(anyApp());
            passAMoment();
        });
    }

    void testThePoolEndsWhileInstancesDie() {
        WritingInstances instances(*loop_, *factory_);
        repeat([&] {
            pool_->attach(anyApp());
            askAndLeave(anApp(4));
            instances.killAll();
        });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolDestructionTest);

}  // namespace Passenger

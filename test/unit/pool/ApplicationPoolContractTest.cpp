// The contract of every ApplicationPool: StandardApplicationPool and RemoteApplicationPool.

#include <cppunit/extensions/HelperMacros.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "base/SystemClock.h"
#include "client/ApplicationPoolServer.h"
#include "pool/StandardApplicationPool.h"
#include "pool/SystemCpuLoad.h"
#include "support/AgentProgram.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/NoDescriptorStore.h"
#include "support/SpawningFixture.h"
#include "support/StreamClient.h"

namespace Passenger {

using namespace std::chrono_literals;

class ApplicationPoolContractTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(ApplicationPoolContractTest);
    CPPUNIT_TEST(testASessionBringsTheAnswer);
    CPPUNIT_TEST(testABodyArrivesWhole);
    CPPUNIT_TEST(testAnInstanceIsUsedAgain);
    CPPUNIT_TEST(testSeveralSessionsAtOnceHaveAnInstanceEach);
    CPPUNIT_TEST(testAFullPoolLetsASessionWait);
    CPPUNIT_TEST(testASessionThatIsDroppedFreesItsInstance);
    CPPUNIT_TEST(testApplicationsHaveInstancesOfTheirOwn);
    CPPUNIT_TEST(testClearEndsAllInstancesAndTheNextSessionStartsOne);
    CPPUNIT_TEST(testTheMaximumMayBeSetBelowTheNumberOfInstances);
    CPPUNIT_TEST(testTwoSpellingsOfAFolderAreTwoApplications);
    CPPUNIT_TEST(testARelativeFolderIsASpawnException);
    CPPUNIT_TEST(testAsRootInstancesThatKeepTheirPrivilegeRunAsTheLowestUser);
    CPPUNIT_TEST(testTheReportedPidOfTheSpawnServerExists);
    CPPUNIT_TEST(testABrokenApplicationIsASpawnExceptionThatSaysWhy);
    CPPUNIT_TEST(testAMissingApplicationIsASpawnException);
    CPPUNIT_TEST(testARepairedApplicationIsServed);
    CPPUNIT_TEST(testAnApplicationIsRestartedByItsRestartFile);
    CPPUNIT_TEST(testAMessageSessionBringsTheAnswer);
    CPPUNIT_TEST(testAnInstanceThatWasKilledIsReplaced);
    CPPUNIT_TEST(testRequestsForOneOfSeveralBusyInstancesAllGoThere);
    CPPUNIT_TEST(testRequestsForAnInstanceThatDiesGoElsewhereAndNoneIsLost);
    CPPUNIT_TEST_SUITE_END_ABSTRACT();

    static constexpr const char *ECHO =
        "run ->(env) { [200, {'Content-Type' => 'text/plain', 'X-Path' => env['PATH_INFO']}, "
        "[\"#{Process.pid} VERSION #{env['rack.input'].read}\"]] }\n";

protected:
    /** A pool that may have a session of its own. */
    virtual ApplicationPoolPtr newPool() = 0;

    static std::string echo(const std::string &version) {
        std::string text = ECHO;
        return text.replace(text.find("VERSION"), 7, version);
    }
    std::string get(ApplicationPool &pool, const std::string &body = "") {
        const SessionPtr session = pool.get(folder_->path());
        return exchange(*session, "/", body);
    }
    /** Who answers. */
    pid_t answeringPid(ApplicationPool &pool) { return std::stoi(bodyOf(get(pool))); }

    ApplicationPoolPtr pool_;

    /** An answer of an application that tells its pid. */
    struct Answered {
        pid_t pid = 0;
        std::uint32_t stickyId = 0;
    };
    /** A message session with an application whose instances can be asked for. @param stickyId 0:
     *  whoever is free */
    Answered askFor(ApplicationPool &pool, std::uint32_t stickyId) {
        Options application = options();
        application.startInstances = application.minInstances = 3;
        application.stickySessions = true;
        application.request.queue = QueueChoice::ofInstance(stickyId);
        const MessageSessionPtr session = pool.get(application);
        const std::string environment = requestEnvironment("/");
        CPPUNIT_ASSERT(!session->start({environment, "", false, false, true}));
        std::vector<char> buffer(MessageSession::BUFFER_SIZE);
        const Reply reply = session->receive(buffer, -1, 60s);
        CPPUNIT_ASSERT_MESSAGE(reply.text, reply.kind == Reply::Kind::RESPONSE && reply.last);
        return {std::stoi(std::string(reply.body.data(), reply.body.size())), reply.stickyId};
    }
    /** Starts three instances, each of which takes its time. */
    Answered startThree() {
        folder_->setStartupFile("run ->(_) { sleep 0.02; [200, {}, [Process.pid.to_s]] }\n");
        const Answered first = askFor(*pool_, 0);
        CPPUNIT_ASSERT(first.stickyId != 0);
        CPPUNIT_ASSERT(eventually([this] { return pool_->getCount() == 3; }));
        return first;
    }
    /** So many requests at once, one after the other in each of the threads; more where `goOn` says
     *  so of the last answer, for a while. */
    template <typename GoOn>
    std::vector<std::future<std::vector<Answered>>> askAtOnce(unsigned threads, unsigned requests,
                                                              std::uint32_t stickyId, GoOn goOn) {
        std::vector<std::future<std::vector<Answered>>> all;
        for (unsigned i = 0; i < threads; i++) {
            all.push_back(std::async(std::launch::async, [this, pool = newPool(), requests, stickyId, goOn] {
                const auto limit = std::chrono::steady_clock::now() + 60s;
                std::vector<Answered> answers;
                while (answers.size() < requests ||
                       (goOn(answers.back()) && std::chrono::steady_clock::now() < limit)) {
                    answers.push_back(askFor(*pool, stickyId));
                }
                return answers;
            }));
        }
        return all;
    }
    std::vector<std::future<std::vector<Answered>>> askAtOnce(unsigned threads, unsigned requests,
                                                              std::uint32_t stickyId) {
        return askAtOnce(threads, requests, stickyId, [](const Answered &) { return false; });
    }

public:
    void setUp() override {
        SpawningFixture::setUp();
        folder_->setStartupFile(echo("one"));
    }

    void testASessionBringsTheAnswer() {
        const SessionPtr session = pool_->get(folder_->path());
        const std::string answer = exchange(*session, "/some/page");
        CPPUNIT_ASSERT_MESSAGE(answer, answer.starts_with("Status: 200"));
        CPPUNIT_ASSERT_MESSAGE(answer, answer.find("/some/page\r\n") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(answer, bodyOf(answer).ends_with(" one "));
    }

    void testABodyArrivesWhole() {
        // Small enough for the socket's buffer: the answer is not read meanwhile.
        const std::string body(100000, 'x');
        CPPUNIT_ASSERT(bodyOf(get(*pool_, body)).ends_with(" one " + body));
    }

    void testAnInstanceIsUsedAgain() {
        const pid_t pid = answeringPid(*pool_);
        CPPUNIT_ASSERT_EQUAL(pid, answeringPid(*pool_));
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getCount());
    }

    void testSeveralSessionsAtOnceHaveAnInstanceEach() {
        const ApplicationPoolPtr other = newPool();
        SessionPtr first = pool_->get(folder_->path());
        SessionPtr second = other->get(folder_->path());
        CPPUNIT_ASSERT_EQUAL(2U, pool_->getActive());
        CPPUNIT_ASSERT_EQUAL(2U, pool_->getCount());
        CPPUNIT_ASSERT(std::stoi(bodyOf(exchange(*first, "/"))) != std::stoi(bodyOf(exchange(*second, "/"))));
        first.reset();
        second.reset();
        CPPUNIT_ASSERT(eventually([this] { return pool_->getActive() == 0; }));
        CPPUNIT_ASSERT_EQUAL(2U, other->getCount());
    }

    void testAFullPoolLetsASessionWait() {
        pool_->setMax(1);
        const ApplicationPoolPtr other = newPool();
        // Before the session: its destructor waits for what the session's makes possible, should an
        // assertion fail.
        std::future<pid_t> second;
        SessionPtr first = pool_->get(folder_->path());
        second = std::async(std::launch::async, [&] { return answeringPid(*other); });
        CPPUNIT_ASSERT(second.wait_for(200ms) == std::future_status::timeout);
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getCount());
        const pid_t pid = std::stoi(bodyOf(exchange(*first, "/")));
        first.reset();
        CPPUNIT_ASSERT(second.wait_for(60s) == std::future_status::ready);
        CPPUNIT_ASSERT_EQUAL(pid, second.get());
    }

    void testASessionThatIsDroppedFreesItsInstance() {
        SessionPtr session = pool_->get(folder_->path());
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getActive());
        session.reset();
        CPPUNIT_ASSERT(eventually([this] { return pool_->getActive() == 0; }));
        answeringPid(*pool_);
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getCount());
    }

    void testApplicationsHaveInstancesOfTheirOwn() {
        const ApplicationFolder other(echo("other"));
        get(*pool_);
        const SessionPtr session = pool_->get(other.path());
        CPPUNIT_ASSERT(bodyOf(exchange(*session, "/")).ends_with(" other "));
        CPPUNIT_ASSERT_EQUAL(2U, pool_->getCount());
    }

    void testClearEndsAllInstancesAndTheNextSessionStartsOne() {
        const pid_t pid = answeringPid(*pool_);
        pool_->clear();
        CPPUNIT_ASSERT(eventually([this] { return pool_->getCount() == 0; }));
        CPPUNIT_ASSERT(answeringPid(*pool_) != pid);
    }

    void testTheMaximumMayBeSetBelowTheNumberOfInstances() {
        const ApplicationPoolPtr other = newPool();
        SessionPtr first = pool_->get(folder_->path());
        SessionPtr second = other->get(folder_->path());
        pool_->setMax(1);
        // Both work.
        CPPUNIT_ASSERT_EQUAL(2U, pool_->getCount());
        first.reset();
        second.reset();
        CPPUNIT_ASSERT(eventually([this] { return pool_->getCount() == 1; }));
        get(*pool_);
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getCount());
    }

    void testTwoSpellingsOfAFolderAreTwoApplications() {
        const pid_t pid = answeringPid(*pool_);
        const SessionPtr session = pool_->get(folder_->path() + "/");
        CPPUNIT_ASSERT(std::stoi(bodyOf(exchange(*session, "/"))) != pid);
        CPPUNIT_ASSERT_EQUAL(2U, pool_->getCount());
    }

    void testARelativeFolderIsASpawnException() {
        thrownBy<SpawnException>([this] { pool_->get("no/such/folder"); });
    }

    void testAsRootInstancesThatKeepTheirPrivilegeRunAsTheLowestUser() {
        if (::geteuid() != 0) {
            return;
        }
        thrownBy<SpawnException>([this] { pool_->get(folder_->path(), false, "root"); });
        const ApplicationFolder other("run ->(_) { [200, {}, [Process.uid.to_s]] }\n");
        const SessionPtr session = pool_->get(other.path(), false, "daemon");
        CPPUNIT_ASSERT_EQUAL(std::to_string(::getpwnam("daemon")->pw_uid), bodyOf(exchange(*session, "/")));
    }

    void testTheReportedPidOfTheSpawnServerExists() {
        get(*pool_);
        CPPUNIT_ASSERT(pool_->getSpawnServerPid() > 0);
        CPPUNIT_ASSERT(exists(pool_->getSpawnServerPid()));
    }

    void testABrokenApplicationIsASpawnExceptionThatSaysWhy() {
        folder_->setStartupFile("raise 'it was meant to fail'\n");
        const auto error = thrownBy<SpawnException>([this] { get(*pool_); });
        CPPUNIT_ASSERT_MESSAGE(error.what(),
                               std::string(error.what()).find("it was meant to fail") != std::string::npos);
        CPPUNIT_ASSERT(eventually([this] { return pool_->getCount() == 0; }));
    }

    void testAMissingApplicationIsASpawnException() {
        const auto error = thrownBy<SpawnException>([this] { pool_->get("/there/is/no/such/folder"); });
        CPPUNIT_ASSERT_MESSAGE(error.what(),
                               std::string(error.what()).find("/there/is/no/such/folder") != std::string::npos);
    }

    void testARepairedApplicationIsServed() {
        folder_->setStartupFile("raise 'it was meant to fail'\n");
        thrownBy<SpawnException>([this] { get(*pool_); });
        folder_->setStartupFile(echo("mended"));
        // For half a second the last report is the answer.
        CPPUNIT_ASSERT(eventually([this] {
            try {
                return bodyOf(get(*pool_)).ends_with(" mended ");
            } catch (const SpawnException &) {
                return false;
            }
        }));
    }

    void testAnApplicationIsRestartedByItsRestartFile() {
        get(*pool_);
        folder_->setStartupFile(echo("two"));
        CPPUNIT_ASSERT(bodyOf(get(*pool_)).ends_with(" one "));
        std::filesystem::create_directory(folder_->path() + "/tmp");
        std::ofstream(folder_->path() + "/tmp/restart.txt").flush();
        CPPUNIT_ASSERT(eventually([this] { return bodyOf(get(*pool_)).ends_with(" two "); }));
        CPPUNIT_ASSERT(eventually([this] { return pool_->getCount() == 1; }));
    }

    void testAMessageSessionBringsTheAnswer() {
        const Options application = options();
        const MessageSessionPtr session = pool_->get(application);
        const std::string environment = requestEnvironment("/some/page");
        CPPUNIT_ASSERT(!session->start({environment, "", false, false, true}));
        std::vector<char> buffer(MessageSession::BUFFER_SIZE);
        Reply reply = session->receive(buffer, -1, 60s);
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::RESPONSE);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{200}, reply.status);
        std::string body(reply.body.data(), reply.body.size());
        while (!reply.ends()) {
            reply = session->receive(buffer, -1, 60s);
            body.append(reply.body.data(), reply.body.size());
        }
        CPPUNIT_ASSERT(reply.last);
        CPPUNIT_ASSERT(body.ends_with(" one "));
    }

    void testAnInstanceThatWasKilledIsReplaced() {
        const pid_t pid = answeringPid(*pool_);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(pid, SIGKILL));
        CPPUNIT_ASSERT(answeringPid(*pool_) != pid);
    }

    void testRequestsForOneOfSeveralBusyInstancesAllGoThere() {
        const Answered wanted = startThree();
        std::mutex mutex;
        std::set<pid_t> seen;
        // A machine that is busy may give an instance no turn for a while.
        auto others = askAtOnce(4, 20, 0, [&](const Answered &last) {
            const std::lock_guard<std::mutex> guard(mutex);
            seen.insert(last.pid);
            return seen.size() < 2;
        });
        for (auto &answers : askAtOnce(4, 5, wanted.stickyId)) {
            for (const Answered &answer : answers.get()) {
                CPPUNIT_ASSERT_EQUAL(wanted.pid, answer.pid);
                CPPUNIT_ASSERT_EQUAL(wanted.stickyId, answer.stickyId);
            }
        }
        std::set<pid_t> pids;
        for (auto &answers : others) {
            for (const Answered &answer : answers.get()) {
                pids.insert(answer.pid);
                CPPUNIT_ASSERT((answer.pid == wanted.pid) == (answer.stickyId == wanted.stickyId));
            }
        }
        CPPUNIT_ASSERT_MESSAGE("What was for nobody went to several", pids.size() > 1);
    }

    void testRequestsForAnInstanceThatDiesGoElsewhereAndNoneIsLost() {
        const Answered wanted = startThree();
        auto waiting = askAtOnce(6, 10, wanted.stickyId, [&](const Answered &last) { return last.pid == wanted.pid; });
        std::this_thread::sleep_for(100ms);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(wanted.pid, SIGKILL));
        unsigned elsewhere = 0;
        for (auto &answers : waiting) {
            for (const Answered &answer : answers.get()) {
                elsewhere += answer.pid != wanted.pid ? 1 : 0;
            }
        }
        CPPUNIT_ASSERT(elsewhere > 0);
        CPPUNIT_ASSERT(askFor(*pool_, wanted.stickyId).pid != wanted.pid);
    }
};

/** The one over a Pool in this process. */
class StandardApplicationPoolTest : public ApplicationPoolContractTest {
    CPPUNIT_TEST_SUB_SUITE(StandardApplicationPoolTest, ApplicationPoolContractTest);
    CPPUNIT_TEST(testAPoolThatShutsDownIsASpawnException);
    CPPUNIT_TEST_SUITE_END();

    NoDescriptorStore store_;
    SystemCpuLoad cpu_;
    std::unique_ptr<ChannelRegistry> channels_;
    std::unique_ptr<Pool> core_;

public:
    void setUp() override {
        ApplicationPoolContractTest::setUp();
        channels_ = std::make_unique<ChannelRegistry>(*loop_);
        core_ = std::make_unique<Pool>(
            Pool::Parts{*loop_, *factory_, *channels_, SystemClock::instance(), store_, cpu_}, PoolSettings());
        pool_ = newPool();
    }

    void tearDown() override {
        core_->shutDown();
        CPPUNIT_ASSERT(eventually([this] { return core_->getCount() == 0; }));
        pool_.reset();
        core_.reset();
        channels_.reset();
        ApplicationPoolContractTest::tearDown();
    }

    void testAPoolThatShutsDownIsASpawnException() {
        core_->shutDown();
        thrownBy<SpawnException>([this] { get(*pool_); });
    }

protected:
    ApplicationPoolPtr newPool() override {
        auto pool = std::make_shared<StandardApplicationPool>(*core_);
        pool->setDefaults(options());
        return pool;
    }
};

/** The one that another process has. */
class RemoteApplicationPoolTest : public ApplicationPoolContractTest {
    CPPUNIT_TEST_SUB_SUITE(RemoteApplicationPoolTest, ApplicationPoolContractTest);
    CPPUNIT_TEST(testASecondSessionOfOnePoolIsAnErrorThatSaysSo);
    CPPUNIT_TEST(testAPoolIsUsableAgainAfterASessionThatCouldNotBeOpened);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<ApplicationPoolServer> server_;

public:
    void setUp() override {
        ApplicationPoolContractTest::setUp();
        AgentSettings settings = agentSettings();
        settings.obeysUsers = true;
        server_ = std::make_unique<ApplicationPoolServer>(settings);
        pool_ = newPool();
    }

    void tearDown() override {
        pool_.reset();
        server_.reset();
        ApplicationPoolContractTest::tearDown();
    }

    void testASecondSessionOfOnePoolIsAnErrorThatSaysSo() {
        SessionPtr session = pool_->get(folder_->path());
        const auto error = thrownBy<IOException>([this] { pool_->get(folder_->path()); });
        CPPUNIT_ASSERT_MESSAGE(error.what(), std::string(error.what()).find("still open") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE("The first one is not hurt", exchange(*session, "/").starts_with("Status: 200"));
        session.reset();
        get(*pool_);
    }

    void testAPoolIsUsableAgainAfterASessionThatCouldNotBeOpened() {
        thrownBy<SpawnException>([this] { pool_->get("/there/is/no/such/folder"); });
        get(*pool_);
    }

protected:
    ApplicationPoolPtr newPool() override { return server_->connect(); }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StandardApplicationPoolTest);
CPPUNIT_TEST_SUITE_REGISTRATION(RemoteApplicationPoolTest);

}  // namespace Passenger

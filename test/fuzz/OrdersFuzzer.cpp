/*
 * Sends random bytes and random orders to the agent's control socket, as any user of the machine
 * can. The service and the orders are real, and so is the pool; its instances are dummies. Whatever
 * comes, each order has an answer or its connection ends. Nobody learns or changes anything of an
 * application that belongs to another user.
 */
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/ControlOrders.h"
#include "agent/ControlService.h"
#include "base/Exceptions.h"
#include "base/Split.h"
#include "control/ControlVerbs.h"
#include "control/ServerStatus.h"
#include "io/FrameSocket.h"
#include "io/SocketPair.h"
#include "log/Log.h"
#include "shm/SharedMemory.h"
#include "support/PoolFixture.h"

namespace {

using namespace Passenger;

constexpr uid_t OWNER = 10001;
constexpr uid_t OTHER_OWNER = 10002;
constexpr uid_t STRANGER = 10003;
/** An answer that takes longer never comes. */
constexpr std::chrono::seconds PATIENCE{60};

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

/** What an order may have changed of an application. */
struct AppState {
    bool paused = false;
    bool drains = false;
    std::uint64_t version = 0;
    std::vector<std::string> instances;
    std::size_t asked = 0;

    bool operator==(const AppState &) const = default;
};

/** An agent with two applications of each of two users; one of each user's did not start. */
class Agent : public PoolFixture {
public:
    Agent() {
        setUp();
        // libFuzzer's own reports go to standard error.
        log_.reset();
        Log::setLevel(LogLevel::CRIT);
        PoolSettings settings;
        settings.maxSize = MOST_INSTANCES;
        makePool(parts(), settings);
        for (const auto &[root, uid] : roots()) {
            owners_[app(root).groupName()] = uid;
            resources_.appUsers.set(app(root).groupName(),
                                    RunAs{std::to_string(uid), std::to_string(uid), uid, uid, ""});
        }
        for (const char *root : {"/srv/blog", "/srv/shop"}) {
            get(app(root)).reset();
        }
        for (const char *root : {"/srv/broken_blog", "/srv/broken_shop"}) {
            factory_->failuresToCome = 1;
            const Options options = app(root);
            reports_.push_back(ask(options)->failure().reportId);
            reportOwners_[reports_.back()] = roots().at(root);
        }
        orders_ = std::make_unique<ControlOrders>(
            ControlOrders::Parts{.pool = *pool_,
                                 .resources = resources_,
                                 .reopenLogs = [this] { logsReopened_++; },
                                 .server = [] { return ServerStatus(); },
                                 .warmingUp = [] { return false; },
                                 .keepDrains = [this](const std::string &text) { drains_ = text; }},
            "");
        service_ = std::make_unique<ControlService>(
            ControlService::Parts{[this](const Asker & /*httpd*/, const Frame &order) { return answer(order); },
                                  [this] { orders_->tick(); }, RequestHistory::INTERVAL});
    }
    ~Agent() override {
        service_.reset();
        orders_.reset();
        // Not tearDown(): libFuzzer may have started a process that names functions, which would
        // look like a leak.
        factory_->release();
        endPool();
    }
    Agent(const Agent &) = delete;
    Agent &operator=(const Agent &) = delete;

    /** Whom the service takes for the sender of all that comes. */
    void setAsker(const Asker &asker) { asker_ = asker; }
    FrameSocket connect() { return FrameSocket(service_->connect()); }
    /** Waits until the service has taken the connection's end. */
    static void awaitEnd(FrameSocket &connection) {
        try {
            for (;;) {
                connection.receive(FrameSocket::in(PATIENCE));
            }
        } catch (const EndOfFileException &) {
            return;
        } catch (const SystemException &) {
            // The service closed the connection before it had read all.
            return;
        }
    }
    /** A report of the owner, and one of the other owner. */
    const std::string &reportOf(unsigned which) const { return reports_.at(which % reports_.size()); }
    /** Whether instances are being replaced, which takes time. */
    bool replaces() const { return !settling_.empty(); }
    /** Ends pauses and drains. */
    void undo() {
        if (changed_) {
            setAsker({0, false});
            for (const auto &[name, uid] : owners_) {
                order({ControlVerb::RESUME, name});
            }
            order({ControlVerb::DRAIN, "", "0"});
            changed_ = false;
        }
    }
    Frame order(const std::vector<std::string> &words) {
        FrameSocket connection = connect();
        connection.send(Frame(FrameType::ORDER, words), FrameSocket::in(PATIENCE));
        Frame answer = connection.receive(FrameSocket::in(PATIENCE));
        require(answer.type == FrameType::ORDER_DONE ||
                (answer.type == FrameType::ORDER_REFUSED && !answer.field(0).empty()));
        return answer;
    }

private:
    static constexpr unsigned MOST_INSTANCES = 20;

    static const std::map<std::string, uid_t> &roots() {
        static const std::map<std::string, uid_t> all{{"/srv/blog", OWNER},
                                                      {"/srv/broken_blog", OWNER},
                                                      {"/srv/broken_shop", OTHER_OWNER},
                                                      {"/srv/shop", OTHER_OWNER}};
        return all;
    }
    bool isMaster() const { return !asker_.isHttpd && (asker_.uid == 0 || asker_.uid == ::geteuid()); }
    bool owns(const std::string &name) const {
        const auto owner = owners_.find(name);
        return isMaster() || (owner != owners_.end() && owner->second == asker_.uid);
    }
    /** An oracle for what may be answered otherwise than by a refusal. */
    bool allowed(const std::vector<std::string> &words) const {
        const std::string verb = words.empty() ? "" : words[0];
        if (asker_.isHttpd || isMaster() || verb == ControlVerb::STATUS || verb == ControlVerb::WEIGHT) {
            return !asker_.isHttpd || verb == ControlVerb::STATUS;
        }
        const std::string about = words.size() < 2 ? "" : words[1];
        if (verb == ControlVerb::REPORT) {
            const auto owner = reportOwners_.find(about);
            return owner != reportOwners_.end() && owner->second == asker_.uid;
        }
        if (verb == ControlVerb::DETACH) {
            return asker_.uid == OWNER || asker_.uid == OTHER_OWNER;
        }
        return verb != ControlVerb::REOPEN_LOGS && owns(about);
    }
    /** The state of the applications that are not the asker's. If it may order nothing, of all. */
    std::map<std::string, AppState> others() const {
        const std::vector<std::string> lines = split(drains_, '\n');
        std::map<std::string, AppState> states;
        for (const GroupSnapshot &group : pool_->inspect().groups) {
            if (!asker_.isHttpd && owns(group.name)) {
                continue;
            }
            AppState &state = states[group.name];
            state.paused = group.queue.pausedFor > 0;
            state.drains = !lines.empty() && (lines.front() == "all" ||
                                              std::find(lines.begin() + 1, lines.end(), group.name) != lines.end());
            // Restarts and the ends of instances, which were ordered before, take their time.
            if (!settling_.contains(group.name)) {
                state.version = group.version;
                for (const ProcessSnapshot &process : group.processes) {
                    state.instances.push_back(process.state);
                }
                for (const ThreadsSnapshot &instance : pool_->threads(group.name)) {
                    state.asked += instance.answered ? 1 : 0;
                }
            }
        }
        return states;
    }
    /** Notes what the asker has changed, or may have changed. */
    void noteChange(const std::string &verb) {
        changed_ = changed_ || verb == ControlVerb::PAUSE || verb == ControlVerb::DRAIN;
        if (verb == ControlVerb::RESTART || verb == ControlVerb::DETACH) {
            for (const auto &[name, uid] : owners_) {
                if (owns(name)) {
                    settling_.insert(name);
                }
            }
        }
    }
    void checkStatus(const Frame &answer) const {
        const auto size = static_cast<std::size_t>(answer.number(0));
        std::string text(size, '\0');
        const SharedMemory memory = SharedMemory::adopt(answer.descriptors.at(0).duplicate(), size);
        memory.read(text.data(), size, 0);
        for (const AppStatus &app : statusFromJson(text).apps) {
            require(asker_.isHttpd || owns(app.name));
        }
    }
    /** In the service's thread. */
    Frame answer(const Frame &order) {
        const std::map<std::string, AppState> before = others();
        const unsigned logsReopened = logsReopened_;
        try {
            Frame answer = orders_->answer(asker_, order);
            const std::string &verb = order.field(0);
            require(answer.type == FrameType::ORDER_DONE);
            require(allowed(order.fields));
            require(others() == before);
            if (verb == ControlVerb::STATUS) {
                checkStatus(answer);
            }
            noteChange(verb);
            return answer;
        } catch (const IOException &refusal) {
            // Also a ProtocolException.
            require(*refusal.what() != '\0');
            require(others() == before);
            require(logsReopened_ == logsReopened);
            throw;
        } catch (const std::exception &) {
            require(false);
            throw;
        }
    }

    EventLoop resourcesLoop_;
    SpawnManager manager_{resourcesLoop_, SpawnSettings()};
    AppResources resources_{resourcesLoop_, manager_};
    std::map<std::string, uid_t> owners_;
    std::vector<std::string> reports_;
    std::map<std::string, uid_t> reportOwners_;
    std::unique_ptr<ControlOrders> orders_;
    /** The main thread sets it, and the service's thread what follows. Each waits for the other by
     *  the connection. */
    Asker asker_;
    std::string drains_;
    unsigned logsReopened_ = 0;
    std::set<std::string> settling_;
    bool changed_ = false;
    std::unique_ptr<ControlService> service_;
};

/** Bits of the first byte of each part. */
enum Form : std::uint8_t {
    /** Bytes for a connection that they may break; otherwise an order's fields. */
    RAW = 0x80,
    /** An order with a descriptor comes before the bytes. */
    WITH_DESCRIPTOR = 0x40,
};

Asker askerOf(unsigned kind) {
    const std::array askers{Asker{OWNER, false}, Asker{OTHER_OWNER, false}, Asker{STRANGER, false},   Asker{0, true},
                            Asker{OWNER, true},  Asker{0, false},           Asker{::geteuid(), false}};
    return askers.at(kind % askers.size());
}

/** @param descriptor goes with the bytes; the service refuses it */
void sendRaw(Agent &agent, std::string_view bytes, bool descriptor) {
    FrameSocket connection = agent.connect();
    if (descriptor) {
        try {
            const DescriptorPair pair = makeStreamPair();
            connection.send(Frame(FrameType::ORDER, {ControlVerb::STATUS, ""}), {pair.first.get()},
                            FrameSocket::in(PATIENCE));
        } catch (const SystemException &) {
            // The kernel did not take it.
        }
    }
    while (!bytes.empty()) {
        const ssize_t sent = ::send(connection.descriptor().get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            break;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    ::shutdown(connection.descriptor().get(), SHUT_WR);
    Agent::awaitEnd(connection);
}

/** `$0` and `$1` stand for the numbers of reports, which differ from run to run. */
std::vector<std::string> fieldsOf(const Agent &agent, std::string_view text, unsigned verb) {
    static const std::vector<std::string> verbs{
        ControlVerb::STATUS, ControlVerb::THREADS, ControlVerb::REPORT, ControlVerb::RESTART, ControlVerb::DETACH,
        ControlVerb::DRAIN,  ControlVerb::PAUSE,   ControlVerb::RESUME, ControlVerb::WEIGHT,  ControlVerb::REOPEN_LOGS};
    std::vector<std::string> fields = split(text, '\0');
    for (std::string &field : fields) {
        if (field == "$0" || field == "$1") {
            field = agent.reportOf(static_cast<unsigned>(field[1]));
        }
    }
    if (verb % (verbs.size() + 1) < verbs.size()) {
        fields.insert(fields.begin(), verbs[verb % (verbs.size() + 1)]);
    }
    return fields;
}

}  // namespace

/** The input's parts, each a byte with the form and the asker, a byte with the verb, a byte with
 *  the length, and so many bytes: fields divided by zero bytes, or what goes to the socket. */
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static std::unique_ptr<Agent> agent;
    constexpr std::size_t HEAD = 3;
    std::string_view input(reinterpret_cast<const char *>(data), size);
    if (!agent) {
        agent = std::make_unique<Agent>();
    }
    while (input.size() >= HEAD) {
        const auto form = static_cast<std::uint8_t>(input[0]);
        const auto verb = static_cast<std::uint8_t>(input[1]);
        const std::size_t length = std::min<std::size_t>(static_cast<std::uint8_t>(input[2]), input.size() - HEAD);
        const std::string_view text = input.substr(HEAD, length);
        input.remove_prefix(HEAD + length);
        agent->setAsker(askerOf(form % WITH_DESCRIPTOR));
        if ((form & RAW) != 0) {
            sendRaw(*agent, text, (form & WITH_DESCRIPTOR) != 0);
            continue;
        }
        agent->order(fieldsOf(*agent, text, verb));
    }
    if (agent->replaces()) {
        agent.reset();
    } else {
        agent->undo();
    }
    return 0;
}

#include "agent/PoolProcess.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "agent/ProcessSetup.h"
#include "base/DescriptorLimit.h"
#include "base/Exceptions.h"
#include "base/StandardDescriptors.h"
#include "io/AgentFailure.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/** The watchdog sends at once, but may have many store entries. */
constexpr std::chrono::seconds BEGIN_TIMEOUT{30};
constexpr std::chrono::seconds REPORT_TIMEOUT{5};

AgentSettings readSettings(const Frame &frame) {
    auto settings = AgentSettings::fromMap(frame.map(0));
    Log::setLevel(static_cast<LogLevel>(settings.logLevel));
    Log::setOutputPrefix(settings.logPrefix);
    Log::setFormat(logFormatIn(settings.logFormat));
    Log::setTarget(settings.logTarget());
    return settings;
}

}  // namespace

PoolProcess::PoolProcess(FileDescriptor socket, PoolEngineFactory makeEngine, std::string confinement)
    : socket_(std::move(socket), Frame::MAX_SETTINGS_SIZE),
      makeEngine_(std::move(makeEngine)),
      confinement_(std::move(confinement)) {}

PoolProcess::~PoolProcess() {
    Rights::use(nullptr);
}

int PoolProcess::run() {
    std::optional<Log::Writer> logWriter(std::in_place);
    try {
        store_ = std::make_unique<DescriptorStoreClient>(socket_.descriptor());
    } catch (const std::exception &exception) {
        socket_.send(describeFailure(exception), FrameSocket::in(REPORT_TIMEOUT));
        return EXIT_FAILURE;
    }
    if (!startEngine()) {
        // The next pool process takes the instances over, so they must not be told to end.
        logWriter.reset();
        ::_exit(EXIT_FAILURE);
    }
    serve();
    stop();
    stopEngine();
    store_.reset();
    return EXIT_SUCCESS;
}

bool PoolProcess::startEngine() {
    try {
        for (;;) {
            Frame frame = socket_.receive(FrameSocket::in(BEGIN_TIMEOUT));
            if (frame.type == FrameType::BEGIN) {
                begin(std::move(frame));
                return true;
            }
            if (frame.type == FrameType::RIGHTS_SOCKET) {
                useRights(frame.takeDescriptor(0));
                continue;
            }
            if (frame.type != FrameType::RESTORE) {
                throw ProtocolException("The watchdog sent a frame of type " +
                                        std::to_string(static_cast<int>(frame.type)) + " before BEGIN");
            }
            restored_.push_back({frame.field(0), frame.field(1), std::move(frame.descriptors)});
        }
    } catch (const std::exception &exception) {
        Log::error("event=pool.start_failed reason=\"{}\"", exception.what());
        store_->send(describeFailure(exception));
        store_->flush(REPORT_TIMEOUT);
        return false;
    }
}

/** From now on the rights process has the rights that this process lacks. */
void PoolProcess::useRights(FileDescriptor socket) {
    if (rights_) {
        rights_->use(std::move(socket));
        return;
    }
    rights_.emplace(std::move(socket));
    Rights::use(&*rights_);
}

void PoolProcess::begin(Frame begin) {
    useAsOutput(begin.takeDescriptor(0));
    FileDescriptor serverSocket = begin.takeDescriptor(1);
    const auto settings = readSettings(begin);
    Log::info("event=pool.starting descriptors=\"{}\" restored={} uid={} {}", describeDescriptorLimit(),
              restored_.size(), ::geteuid(), confinement_);

    engine_ = makeEngine_({.store = *store_, .reopenLog = [this](const std::string &number) {
                               store_->send(Frame(FrameType::REOPEN_LOG, {number}));
                           }});
    for (auto &entry : std::exchange(restored_, {})) {
        engine_->restore(std::move(entry));
    }
    engine_->begin(settings, std::move(serverSocket));
    updater_.emplace([this](const Frame &frame) { update(frame); });

    store_->send(Frame::of(FrameType::POOL_READY, ::getpid(), engine_->spawnServerPid(), engine_->warning()));
}

void PoolProcess::serve() {
    while (!ending_) {
        pollfd entry{socket_.descriptor().get(), POLLIN, 0};
        if (::poll(&entry, 1, -1) < 0) {
            throwUnless(errno == EINTR, "poll");
            continue;
        }
        receive();
    }
}

void PoolProcess::receive() {
    try {
        while (auto frame = socket_.tryReceive()) {
            if (frame->type == FrameType::PING) {
                engine_->ping([this] { store_->send(Frame(FrameType::PONG)); });
                continue;
            }
            if (frame->type == FrameType::STOP) {
                Log::info("event=pool.stopping reason=\"the watchdog requested it\"");
                ending_ = true;
                return;
            }
            if (frame->type == FrameType::RIGHTS_SOCKET) {
                useRights(frame->takeDescriptor(0));
                continue;
            }
            if (frame->type == FrameType::FINISH) {
                engine_->release();
                continue;
            }
            if (frame->type == FrameType::LOG_REOPENED) {
                useReopened(std::move(*frame));
                continue;
            }
            if (frame->type != FrameType::SETTINGS) {
                throw ProtocolException("The watchdog sent a frame of type " +
                                        std::to_string(static_cast<int>(frame->type)));
            }
            // In this thread, as with LOG_REOPENED, so that the log that comes last is used.
            useAsOutput(frame->takeDescriptor(0));
            updater_->apply(std::move(*frame));
        }
    } catch (const EndOfFileException &) {
        // The next pool process takes the instances over, so they must not be told to end.
        ::_exit(EXIT_FAILURE);
    } catch (const SystemException &exception) {
        // Often no descriptor was free for the one that came. The next pool process has a table of
        // its own, gets the settings at its start, and takes the instances over likewise.
        // CRIT: the line is written before the exit.
        Log::log(LogLevel::CRIT,
                 "event=pool.cannot_receive error=\"{}\" note=\"another pool process takes its instances over; {}\"",
                 exception.what(), explainDescriptorLimit());
        ::_exit(EXIT_FAILURE);
    } catch (const std::exception &exception) {
        Log::error("event=pool.stopping reason=\"{}\"", exception.what());
        ending_ = true;
    }
}

void PoolProcess::useReopened(Frame log) {
    if (log.field(1).empty()) {
        useAsOutput(log.takeDescriptor(0));
    }
    engine_->logReopened(log.field(0), log.field(1));
}

/** Settings that cannot be used change nothing. The watchdog is told in any case. */
void PoolProcess::update(const Frame &settings) {
    std::string number;
    try {
        if (rights_) {
            rights_->endSilences();
        }
        const auto read = readSettings(settings);
        number = read.update;
        engine_->update(read);
        Log::info("event=pool.settings_changed");
    } catch (const std::exception &exception) {
        Log::error("event=pool.settings_rejected reason=\"{}\"", exception.what());
    }
    store_->send(Frame(FrameType::SETTINGS_DONE, {number}));
}

/** From now on PINGs are not answered. */
void PoolProcess::stop() {
    store_->send(Frame(FrameType::STOPPING));
    updater_.reset();
}

void PoolProcess::stopEngine() noexcept {
    try {
        engine_->stop();
    } catch (const std::exception &exception) {
        Log::error("event=pool.stop_failed reason=\"{}\"", exception.what());
    }
    engine_.reset();
}

}  // namespace Passenger

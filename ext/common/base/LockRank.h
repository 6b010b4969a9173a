#pragma once

namespace Passenger {

/** One more than the highest level. */
inline constexpr int LOCK_LEVELS = 8;

/**
 * A lock's name, and its level in the order of locks. A thread that holds a lock takes only locks
 * of higher levels. So it never holds two locks of one level. Development builds check this
 * (LockOrder.h).
 */
struct LockRank {
    consteval LockRank(int itsLevel, const char *itsName) : level(itsLevel), name(itsName) {
        if (itsLevel < 1 || itsLevel >= LOCK_LEVELS) {
            throw "there is no such level";
        }
    }

    int level;
    /** The lock's name in the log. Static storage. */
    const char *name;
};

/** All locks. doc/THREADING.md lists what each of them guards. */
namespace Locks {

// In an httpd child, and in any other user of ApplicationPool.
inline constexpr LockRank APPLICATION_POOL_SERVER{1, "ApplicationPoolServer::mutex_"};
inline constexpr LockRank POOL_CLIENT{2, "PoolClient::mutex_"};
inline constexpr LockRank QUEUE_CACHE{3, "QueueCache::mutex_"};
inline constexpr LockRank QUEUE_DELAY{2, "QueueDelay::mutex_"};
inline constexpr LockRank CHILD{2, "Child::mutex_"};
inline constexpr LockRank LINE_LIMITS{2, "LineLimits::mutex_"};
inline constexpr LockRank CLIENTS_IN_FLIGHT{2, "ClientsInFlight::mutex_"};
inline constexpr LockRank THREAD_LIMIT{2, "ThreadLimit::mutex_"};
inline constexpr LockRank THREAD_USE{2, "ThreadUse::mutex_"};
inline constexpr LockRank SPOOL_QUOTA{2, "SpoolQuota::mutex_"};
inline constexpr LockRank STARTUP_FILE_CACHE{2, "StartupFileCache::mutex_"};
inline constexpr LockRank RESTART_LOOKS{2, "RestartLooks::mutex_"};
inline constexpr LockRank RESPONSE_CACHE{2, "ResponseCache::mutex_"};
inline constexpr LockRank USAGE_LEDGER{3, "UsageLedger::mutex_"};
inline constexpr LockRank IN_FLIGHT_TABLE{3, "InFlightTable::mutex_"};

// In a bridge.
inline constexpr LockRank BRIDGE_CONTROL{1, "Bridge::ControlSocket::mutex_"};

// In the agent.
inline constexpr LockRank RESTART_TURN{1, "RestartFiles::turn_"};
inline constexpr LockRank POOL{2, "PoolContext::mutex"};
inline constexpr LockRank RESTART_FILES{3, "RestartFiles::mutex_"};
inline constexpr LockRank CHANNEL_REGISTRY{3, "ChannelRegistry::mutex_"};
inline constexpr LockRank BACKGROUND_THREADS{3, "BackgroundThreads::mutex_"};
inline constexpr LockRank CANCEL_SWITCH{3, "CancelSwitch::mutex_"};
inline constexpr LockRank DESCRIPTOR_STORE_CLIENT{4, "DescriptorStoreClient::mutex_"};
inline constexpr LockRank POOL_ENGINE{3, "StandardPoolEngine::mutex_"};
inline constexpr LockRank SPAWN_MANAGER{3, "SpawnManager::mutex_"};
inline constexpr LockRank EXCLUSIVE_TURN{3, "ExclusiveTurn::mutex_"};
inline constexpr LockRank GRANTS{3, "GrantsInForce::mutex_"};
inline constexpr LockRank RIGHTS_CLIENT{4, "RightsClient::mutex_"};
inline constexpr LockRank ORPHANS{3, "Orphans::mutex_"};
inline constexpr LockRank APP_GROUPS{3, "AppGroups::mutex_"};
inline constexpr LockRank APP_GROUP_PLACING{3, "AppGroup::placing_"};
inline constexpr LockRank APP_GROUP{4, "AppGroup::mutex_"};
inline constexpr LockRank CGROUP_EVENTS{5, "AppGroup::Shared::events"};
inline constexpr LockRank CGROUPS{4, "Cgroups::mutex_"};
inline constexpr LockRank EVENT_COMMAND{3, "EventCommand::mutex_"};
inline constexpr LockRank OUTPUT_FILES{3, "OutputFiles::mutex_"};
inline constexpr LockRank OUTPUT_FILE{4, "OutputFiles::File::mutex_"};
inline constexpr LockRank PROCESS_OUTPUT{3, "ProcessOutput::Pipe::mutex_"};
inline constexpr LockRank SETTINGS_UPDATER{3, "SettingsUpdater::mutex_"};
inline constexpr LockRank APP_USERS{3, "AppResources::appUsers"};
inline constexpr LockRank CONTROL_SERVICE{3, "ControlService::mutex_"};
inline constexpr LockRank OUTPUT_LIMITS{3, "OutputLimits::mutex_"};
inline constexpr LockRank OUTPUT_LIMIT{4, "OutputLimit::mutex_"};
inline constexpr LockRank TIMER{4, "Timer::State::mutex"};
inline constexpr LockRank EVENT_LOOP{5, "EventLoop::Implementation::mutex"};
inline constexpr LockRank EVENT_LOOP_THREAD{5, "EventLoop::Implementation::joinMutex"};
/** The private mutex of a thread that waits for a result. The thread holds no other lock. */
inline constexpr LockRank WAITER{5, "a waiter's mutex"};
inline constexpr LockRank LOG{6, "a mutex of the log"};
inline constexpr LockRank EVENT_INBOX{6, "EventInbox::mutex_"};
inline constexpr LockRank RECENT_EVENTS{6, "RecentEvents::mutex_"};

// In the agent and in httpd's children. A descriptor may be closed with any lock held.
inline constexpr LockRank PATIENT_THREADS{7, "PatientThreads's mutex"};

}  // namespace Locks

}  // namespace Passenger

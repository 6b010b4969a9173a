# Keep sorted, one file a line.
EXTRA_DIST += \
    %D%/ARCHITECTURE.md \
    %D%/COMPATIBILITY.md \
    %D%/CONFIGURATION.md \
    %D%/GLOSSARY.md \
    %D%/OPERATIONS.md \
    %D%/ORIGINS.md \
    %D%/PERFORMANCE.md \
    %D%/PREFORK.md \
    %D%/PROTOCOLS.md \
    %D%/SECURITY.md \
    %D%/THREADING.md \
    %D%/decisions/0001-instances-take-requests.md \
    %D%/decisions/0002-claims-decide.md \
    %D%/decisions/0003-one-event-loop.md \
    %D%/decisions/0004-one-sender.md \
    %D%/decisions/0005-two-forms-of-a-session.md \
    %D%/decisions/0006-output-pipes.md \
    %D%/decisions/0007-restarts-roll.md \
    %D%/decisions/0008-restart-watch.md \
    %D%/decisions/0009-agent-outlives-reloads.md \
    %D%/decisions/0010-channels-are-registered.md \
    %D%/decisions/0011-threads-take-requests.md \
    %D%/decisions/0012-bridges.md \
    %D%/decisions/0013-channel-trimmer.md \
    %D%/decisions/0014-scaling.md \
    %D%/decisions/0015-request-time-limit.md \
    %D%/decisions/0016-upgraded-connections.md \
    %D%/decisions/0017-full-queue.md \
    %D%/decisions/0018-statistics-on-demand.md \
    %D%/decisions/0019-leaving-clients.md \
    %D%/decisions/0020-sticky-sessions.md \
    %D%/decisions/0021-share-of-threads.md \
    %D%/decisions/0022-puma-parser.md \
    %D%/decisions/0023-cpu-slots.md \
    %D%/decisions/README.md

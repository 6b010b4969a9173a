# Keep sorted, one file a line.
EXTRA_DIST += \
    %D%/ARCHITECTURE.md \
    %D%/COMPATIBILITY.md \
    %D%/CONFIGURATION.md \
    %D%/OPERATIONS.md \
    %D%/PERFORMANCE.md \
    %D%/PREFORK.md \
    %D%/PROTOCOLS.md \
    %D%/SECURITY.md \
    %D%/THREADING.md

"""How GDAL reads: set around every read of a scene, and in the environment of a cluster's workers."""

GDAL_SETTINGS: dict[str, str | int] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MULTIRANGE": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    # A transfer slower than 1 kB/s for half a minute is dead. GDAL_HTTP_MAX_RETRY is not set: lscube tries
    # again itself, with a fresh signature and a file opened anew.
    "GDAL_HTTP_LOW_SPEED_TIME": "30",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    # Decoding JPEG 2000 in threads of its own, GDAL loses their errors and gives garbage instead.
    "GDAL_NUM_THREADS": "1",
    # By default GDAL keeps 5 % of the machine's memory in decoded blocks, in each worker process.
    "GDAL_CACHEMAX": 128 * 2**20,
    # A cache of 25 MB for each open file would come to gigabytes: each thread keeps 32 files open.
    "VSI_CACHE": "NO",
}

"""Errors, targets, files, the hash chain, the home folder, text from outside, settings, experiments, findings, docstrings, a stopwatch, pauses, fresh processes, a layer over the files and a pool of processes."""

from .errors import (
    DataError as DataError,
    DataQualityError as DataQualityError,
    DataWarning as DataWarning,
    FeatureDimensionError as FeatureDimensionError,
    LookAheadError as LookAheadError,
    ModelIntegrityError as ModelIntegrityError,
    ModelNotFoundError as ModelNotFoundError,
    SettingsError as SettingsError,
    UserCodeError as UserCodeError,
    require_kind as require_kind,
    require_number as require_number,
)
from .targets import (
    canonical_symbol as canonical_symbol,
    KINDS as KINDS,
    named_symbol as named_symbol,
    PROB_LEVELS as PROB_LEVELS,
    PROBS as PROBS,
    REGIME_BOUNDS as REGIME_BOUNDS,
    SCORE_PROBS as SCORE_PROBS,
    SYMBOL_PATTERN as SYMBOL_PATTERN,
    Target as Target,
    vix_regime as vix_regime,
    VIX_REGIMES as VIX_REGIMES,
)
from .files import (
    canonical_json as canonical_json,
    check_archive as check_archive,
    code_version as code_version,
    confined as confined,
    digest as digest,
    file_checksum as file_checksum,
    folder_checksums as folder_checksums,
    folder_differences as folder_differences,
    LARGEST_READ as LARGEST_READ,
    file_lock as file_lock,
    open_atomic as open_atomic,
    pack_arrays as pack_arrays,
    plain as plain,
    READ_ERRORS as READ_ERRORS,
    read_arrays as read_arrays,
    read_bounded as read_bounded,
    read_file as read_file,
    read_state as read_state,
    synced_later as synced_later,
    unpack_arrays as unpack_arrays,
    write_arrays as write_arrays,
    write_atomic as write_atomic,
    write_files as write_files,
    write_state as write_state,
)
from .seals import (
    adopt_key as adopt_key,
    find_key as find_key,
    KEY_BYTES as KEY_BYTES,
    KEY_FILE as KEY_FILE,
    key_fingerprint as key_fingerprint,
    keyed_sum as keyed_sum,
    make_key as make_key,
    seal as seal,
    SealedNotes as SealedNotes,
    unsealed as unsealed,
)
from .chain import (
    GENESIS as GENESIS,
    HashChain as HashChain,
    Link as Link,
)
from .home import (
    Home as Home,
)
from .text import (
    csv_safe as csv_safe,
    csv_safe_frame as csv_safe_frame,
    decimal_number as decimal_number,
    last_of as last_of,
    printable as printable,
    redacted as redacted,
    tally as tally,
)
from .settings import (
    LiveSettings as LiveSettings,
    load_settings as load_settings,
    read_value as read_value,
    Settings as Settings,
    settings_problems as settings_problems,
    settings_report as settings_report,
)
from .experiments import (
    PLAN as PLAN,
    ExperimentLog as ExperimentLog,
    shipped_log as shipped_log,
    trials_text as trials_text,
    variants_tried as variants_tried,
)
from .templates import (
    html_macros as html_macros,
    joined_html as joined_html,
    Piece as Piece,
)
from .findings import (
    Finding as Finding,
    html_table as html_table,
    Report as Report,
    format_value as format_value,
    REPORT_STYLE as REPORT_STYLE,
    write_page as write_page,
)
from .docstrings import (
    attach_face as attach_face,
)
from .program_values import (
    for_program as for_program,
    table_records as table_records,
)
from .stopwatch import (
    stage_key as stage_key,
    Stopwatch as Stopwatch,
)
from .pauses import (
    Pause as Pause,
    pause_subject as pause_subject,
)
from .threads import (
    one_thread as one_thread,
)
from .file_layer import (
    FileLayer as FileLayer,
    FileRefusal as FileRefusal,
    is_data_file as is_data_file,
    named_files as named_files,
)
from .file_guard import (
    FileGuard as FileGuard,
    folders_state as folders_state,
    idle_seconds as idle_seconds,
    require_unchanged as require_unchanged,
)
from .fresh_process import (
    FreshProcesses as FreshProcesses,
    NotSendable as NotSendable,
    ProcessEnded as ProcessEnded,
    in_copy as in_copy,
    waiting_copy as waiting_copy,
)
from .worker_pool import (
    ONE_THREAD as ONE_THREAD,
    process_pool as process_pool,
    SAFE_PATH as SAFE_PATH,
    safe_path_before as safe_path_before,
    search_path_as_ever as search_path_as_ever,
    start_resource_trackers as start_resource_trackers,
)

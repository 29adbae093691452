"""The settings of a job: one frozen model per room, one TOML file for all of them.

Every field says what it is; an unknown one is refused by its name. Paths in a file are
relative to the data folder (by default the folder of the file itself).
"""

from lscube.settings.adapting import AdaptSettings as AdaptSettings
from lscube.settings.base import Bounds as Bounds
from lscube.settings.base import Settings as Settings
from lscube.settings.cluster import ClusterSettings as ClusterSettings
from lscube.settings.cluster import bytes_of as bytes_of
from lscube.settings.cluster import make_cluster as make_cluster
from lscube.settings.experiment import DesignSettings as DesignSettings
from lscube.settings.experiment import Experiment as Experiment
from lscube.settings.experiment import ExperimentArea as ExperimentArea
from lscube.settings.experiment import load_experiment as load_experiment
from lscube.settings.experiment import make_experiment as make_experiment
from lscube.settings.explaining import explain as explain
from lscube.settings.inventory import InventorySettings as InventorySettings
from lscube.settings.job import Job as Job
from lscube.settings.job import describe as describe
from lscube.settings.job import load_job as load_job
from lscube.settings.job import make_chips_settings as make_chips_settings
from lscube.settings.job import make_job as make_job
from lscube.settings.job import read_content as read_content
from lscube.settings.mapping import Engine as Engine
from lscube.settings.mapping import EvaluateSettings as EvaluateSettings
from lscube.settings.mapping import Precision as Precision
from lscube.settings.mapping import PredictSettings as PredictSettings
from lscube.settings.mapping import Views as Views
from lscube.settings.scenes import PRESETS as PRESETS
from lscube.settings.scenes import AreaSettings as AreaSettings
from lscube.settings.scenes import Composite as Composite
from lscube.settings.scenes import CubeSettings as CubeSettings
from lscube.settings.scenes import EventSettings as EventSettings
from lscube.settings.scenes import SourceSettings as SourceSettings
from lscube.settings.schooling import Curriculum as Curriculum
from lscube.settings.schooling import Recipe as Recipe
from lscube.settings.schooling import School as School
from lscube.settings.schooling import StockSettings as StockSettings
from lscube.settings.schooling import load_curriculum as load_curriculum
from lscube.settings.training import BRANCHES as BRANCHES
from lscube.settings.training import Branch as Branch
from lscube.settings.training import LabelSettings as LabelSettings
from lscube.settings.training import SplitSettings as SplitSettings
from lscube.settings.training import TrainSettings as TrainSettings

